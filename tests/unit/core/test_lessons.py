"""What runs teach: nearer ones more, and never nonsense."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.evidence import NodeRun
from reconciler.core.kinds import Kind, Run, Sizes
from reconciler.core.lessons import MAX_KEPT, Lessons
from tests.unit.core.strategies import examples

words = st.none() | st.sampled_from(["a", "b"])
sizes = st.builds(Sizes, *[st.none() | st.integers(-3, 10**9)] * 4)
kinds = st.builds(Kind, words, words, words, sizes)
runs = st.builds(
    Run,
    kinds,
    st.floats(),
    st.just(0.0),
    st.lists(
        st.builds(NodeRun, st.sampled_from("123"), st.sampled_from("XY"), st.floats(0, 1e9)),
        max_size=3,
    ).map(tuple),
)


def taught(*ran, kind=Kind("w", "video", "gpu")):  # noqa: B008 - frozen
    lessons = Lessons()
    lessons.add([Run(kind, ran_s, 0.0) for ran_s in ran])
    return lessons


@examples(200)
@given(st.lists(runs, max_size=12), kinds, st.floats())
def test_anything_teaches_something_sound(several, kind, budget_s):
    lessons = Lessons()
    lessons.add(several)
    span = lessons.expected(kind, budget_s)
    assert 0 < span.p50_s <= span.p90_s
    assert math.isfinite(span.p90_s)
    nodes = lessons.nodes(kind)
    assert nodes is None or all(0 < n.runs <= 1 for n in nodes.by_id.values())


def test_the_budget_speaks_first_and_runs_soon_after():
    kind = Kind("w", "video", "gpu")
    none, one, five = (taught(*[20.0] * n).expected(kind, 120.0) for n in (0, 1, 5))
    assert none.p50_s == pytest.approx(120.0)
    assert 20.0 <= five.p50_s < one.p50_s < 30.0
    assert five.sigma < one.sigma < none.sigma


def test_a_run_in_ten_that_took_much_longer_moves_little():
    kind = Kind("w", "video", "gpu")
    steady, odd = taught(*[20.0] * 10), taught(*[20.0] * 5, 900.0, *[20.0] * 4)
    assert odd.expected(kind, 60.0).p50_s == pytest.approx(
        steady.expected(kind, 60.0).p50_s, rel=0.1
    )


def test_the_newest_count_most():
    kind = Kind("w", "video", "gpu")
    assert taught(*[20.0] * 20, *[40.0] * 12).expected(kind, 60.0).p50_s > 35.0


def test_other_sizes_are_converted():
    lessons = Lessons()
    for frames in (24, 48, 96):
        kind = Kind("w", "video", "gpu", Sizes(frames=frames))
        lessons.add([Run(kind, 2.0 * frames, 0.0)] * 3)
    known = lessons.expected(Kind("w", "video", "gpu", Sizes(frames=192)), 60.0)
    assert known.p50_s == pytest.approx(384.0, rel=0.15)


def test_a_slower_server_is_known_by_what_both_ran():
    lessons = Lessons()
    for workflow in ("a", "b"):
        for server, factor in (("fast", 1.0), ("slow", 3.0)):
            lessons.add([Run(Kind(workflow, None, server), 30.0 * factor, 0.0)] * 5)
    lessons.add([Run(Kind("c", None, "fast"), 100.0, 0.0)] * 5)
    assert lessons.expected(Kind("c", None, "slow"), 60.0).p50_s == pytest.approx(300.0, rel=0.3)


def test_an_unknown_workflow_goes_by_its_job_type():
    lessons = taught(*[20.0] * 10)
    known = lessons.expected(Kind("other", "video", "gpu"), 120.0)
    assert 20.0 < known.p50_s < 60.0
    assert known.sigma > lessons.expected(Kind("w", "video", "gpu"), 120.0).sigma


def test_it_forgets_what_is_long_ago():
    lessons = taught(*[1000.0] * MAX_KEPT, *[10.0] * MAX_KEPT)
    assert lessons.expected(Kind("w", "video", "gpu"), 60.0).p50_s == pytest.approx(10.0, rel=0.05)


def test_cached_loaders_are_expected_to_be_cached():
    whole = (NodeRun("1", "CheckpointLoader", 20.0), NodeRun("2", "KSampler", 60.0))
    lessons, kind = Lessons(), Kind("w", None, "gpu")
    lessons.add([Run(kind, 80.0, 0.0, whole), *[Run(kind, 60.0, 0.0, whole[1:])] * 9])
    nodes = lessons.nodes(kind)
    assert nodes is not None
    assert nodes.order == ("1", "2")
    assert nodes.by_id["1"].runs < 0.1
    assert nodes.by_id["2"].runs == 1.0
    assert [n.node_type for n in nodes.after("2", {})] == []
    assert len(nodes.after(None, ())) == 2
