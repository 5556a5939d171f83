"""Progress and time left: bounded and monotone always, right where the numbers are good."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.estimate import Work, expected_s, left, percent
from reconciler.core.evidence import NodeRun
from reconciler.core.kinds import Kind, Run
from reconciler.core.lessons import Lessons
from reconciler.core.policy import StallPolicy
from reconciler.core.spans import Span
from tests.unit.core.builders import job
from tests.unit.core.strategies import examples

numbers = st.floats() | st.integers(-(2**63), 2**63)
works = st.builds(
    Work,
    nodes_total=st.none() | st.integers(-5, 10**6),
    nodes_done=st.integers(-5, 10**6),
    value=numbers,
    maximum=st.none() | numbers,
)
names = st.sampled_from(["1", "2", "3", "x"])
any_works = st.builds(
    Work,
    nodes_total=st.none() | st.integers(-5, 10**6),
    nodes_done=st.integers(-5, 10**6),
    value=numbers,
    maximum=st.none() | numbers,
    node_id=st.none() | names,
    node_s=st.floats(),
    ended=st.dictionaries(names, st.floats()),
)
node_runs = st.tuples(names, st.floats(0, 1e10))
spans = st.builds(Span.of, st.floats(), st.floats())


def lessons_of(ran, times=5):
    """What so many runs teach, each of which took so long for each node."""
    lessons, kind = Lessons(), Kind("w", None, "gpu")
    nodes = tuple(NodeRun(node_id, "Any", seconds) for node_id, seconds in ran)
    run = Run(kind, max(sum(node.seconds for node in nodes), 1.0), 0.0, nodes)
    lessons.add([run] * times)
    return lessons.nodes(kind)


@pytest.mark.parametrize(
    ("work", "shown"),
    [
        (Work(10, 0), 0),
        (Work(10, 5), 50),
        (Work(10, 5, 10, 20), 55),
        (Work(100, 29), 29),
        (Work(3, 1), 33),
        (Work(10, 9, 20, 20), 99),
        (Work(10, 10), 99),
        (Work(10, 11), 99),
        (Work(10, 5, 30, 20), 60),
        (Work(10, 5, -3, 20), 50),
        (Work(10, 5, 3, 0), 50),
        (Work(10, 5, math.nan, math.nan), 50),
        (Work(10, 5, math.inf, math.inf), 50),
    ],
)
def test_percent(work, shown):
    assert percent(work) == shown


@pytest.mark.parametrize("total", [None, 0, -1])
def test_an_unknown_graph_leaves_the_progress_where_it_was(total):
    assert percent(Work(total, 5, 10, 20), previous=37) == 37


@examples(50)
@given(st.lists(works, max_size=8))
def test_progress_never_goes_back_and_never_says_100(reports):
    shown = 0
    for work in reports:
        following = percent(work, shown)
        assert isinstance(following, int)
        assert shown <= following <= 99
        shown = following


@examples(50)
@given(st.integers(-1000, 1000))
def test_progress_survives_a_previous_one_that_makes_no_sense(previous):
    assert 0 <= percent(Work(10, 5), previous) <= 99


@examples(50)
@given(st.integers(1, 500), st.integers(1, 100))
def test_more_work_done_is_never_less_progress(total, steps):
    shown = [percent(Work(total, 0, step, steps)) for step in range(steps + 1)]
    assert shown == sorted(shown)
    assert percent(Work(total, 1)) == shown[-1]


def test_expected_is_a_third_of_the_budget():
    policy = StallPolicy(base_s=90, per_frame_s=3, unknown_frames=100)
    assert expected_s(job(frames=10), policy) == 40
    assert expected_s(job(frames=None), policy) == 130


def test_without_a_word_of_its_progress_the_expected_duration_speaks():
    said = left(Work(), 30.0, Span.of(100.0, 0.1))
    assert said.p50_s == pytest.approx(70.0, rel=0.02)
    assert said.p90_s > said.p50_s


def test_what_outlasts_its_like_goes_on_for_a_while():
    expected = Span.of(100.0, 0.3)
    said = [left(Work(), elapsed_s, expected).p50_s for elapsed_s in (0.0, 50.0, 100.0, 300.0)]
    assert said[0] == 100.0
    assert said[0] > said[1] > said[2] > 0
    assert said[3] > 1.0, "nobody knows when, and not at once"


def test_the_further_a_run_is_the_more_its_own_progress_says():
    expected = Span.of(1000.0, 0.9)  # the budget's word
    early, late = left(Work(10, 1), 30.0, expected), left(Work(10, 9), 270.0, expected)
    assert early.p50_s > 270.0 * 1.2
    assert 30.0 < late.p50_s < expected.left_after(270.0).p50_s / 4
    assert late.p90_s - late.p50_s < early.p90_s - early.p50_s


def test_nodes_weigh_what_they_took_before():
    nodes = lessons_of([("load", 10.0), ("sample", 80.0), ("save", 10.0)])
    assert percent(Work(100, 1, node_id="sample", ended={"load": 10.0}), 0, nodes) == 10
    half = Work(100, 1, 10, 20, node_id="sample", node_s=40.0, ended={"load": 10.0})
    assert percent(half, 0, nodes) == 50
    assert left(half, 50.0, Span.of(100.0, 0.3), nodes).p50_s == pytest.approx(50.0, rel=0.05)


def test_cached_nodes_weigh_nothing():
    nodes = lessons_of([("load", 100.0), ("sample", 80.0), ("save", 20.0)])
    half = Work(3, 1, 10, 20, node_id="sample", node_s=40.0)
    assert percent(half, 0, nodes) == 40
    assert left(half, 40.0, Span.of(200.0, 0.3), nodes).p50_s == pytest.approx(60.0, rel=0.05)


def test_a_run_at_half_the_pace_is_expected_to_go_on_so():
    nodes = lessons_of([("a", 50.0), ("b", 40.0), ("c", 10.0)])
    slow = Work(3, 2, node_id="c", ended={"a": 100.0, "b": 80.0})
    said = left(slow, 180.0, Span.of(100.0, 0.3), nodes).p50_s
    assert 14.0 < said < 20.0


def test_a_node_of_unknown_steps_counts_by_its_time_and_never_as_done():
    nodes = lessons_of([("a", 50.0), ("b", 50.0)])
    shown = [percent(Work(2, 0, node_id="a", node_s=s), 0, nodes) for s in (0, 10, 25, 50, 500)]
    assert shown == sorted(shown)
    assert shown[0] == 0
    assert shown[-1] == 45


def test_a_graph_that_never_ran_goes_by_the_types_of_its_nodes():
    types = {
        "1": "CLIPTextEncode",
        "2": "VAELoader",
        "3": "KSampler",
        "4": "SaveVideo",
        "5": "Note",
    }
    nodes = Lessons().guess(types)
    before = Work(5, 3, node_id="3", ended={"1": 0.1, "2": 2.0, "5": 0.1})
    assert percent(before, 0) == 60, "as if all nodes were alike"
    assert percent(before, 0, nodes) < 20
    half = replace(before, value=10, maximum=20)
    assert 40 < percent(half, 0, nodes) < 60
    assert left(half, 50.0, Span.of(300.0, 0.9), nodes).p50_s < 150.0


def test_what_comes_before_a_samplers_first_step_is_no_progress():
    """Models are loaded then; a bar that ran ahead would stand still until the steps are there."""
    guess = Lessons().guess({"1": "KSampler", "2": "SaveVideo"})
    assert percent(Work(2, 0, node_id="1", node_s=30.0), 0, guess) == 0
    seen = Lessons()
    seen.add([Run(Kind("w"), 60.0, 0.0, (NodeRun("1", "KSampler", 60.0),))])
    nodes = seen.nodes(Kind("w"))
    assert percent(Work(1, 0, node_id="1", node_s=40.0), 0, nodes) == 0
    assert percent(Work(1, 0, 1, 20, node_id="1", node_s=42.0), 0, nodes) == 5


def test_types_are_known_from_other_workflows():
    lessons = Lessons()
    nodes = (NodeRun("9", "Slow", 300.0), NodeRun("8", "Quick", 3.0))
    lessons.add([Run(Kind("other"), 303.0, 0.0, nodes)])
    guess = lessons.guess({"1": "Quick", "2": "Slow", "3": "Quick"})
    assert percent(Work(3, 2, node_id="2", ended={"1": 3.0, "3": 3.0}), 0, guess) == 1
    assert lessons.guess({}) is None


def test_nodes_that_were_done_unheard_are_not_waited_for():
    guess = Lessons().guess({"1": "A", "2": "B", "3": "C", "4": "D"})
    late = left(Work(4, 3, 5, 10, node_id="4"), 10.0, Span.of(100.0, 0.9), guess)
    early = left(Work(4, 0, 5, 10, node_id="4"), 10.0, Span.of(100.0, 0.9), guess)
    assert late.p50_s < early.p50_s


def test_what_was_heard_of_another_graph_is_no_progress_of_this():
    nodes = lessons_of([("a", 50.0), ("b", 50.0)])
    strange = Work(4, 1, node_id="x", ended={"y": 3.0})
    assert percent(strange, 0, nodes) == 25
    assert left(strange, 10.0, Span.of(100.0, 0.2), nodes).p50_s > 20.0


@examples(100)
@given(st.lists(any_works, max_size=8), st.lists(node_runs, max_size=6))
def test_with_any_lessons_progress_never_goes_back_and_never_says_100(reports, ran):
    nodes = lessons_of(ran) if ran else None
    shown = 0
    for work in reports:
        following = percent(work, shown, nodes)
        assert shown <= following <= 99
        shown = following


@examples(200)
@given(any_works, numbers, spans, st.lists(node_runs, max_size=6))
def test_time_left_is_a_number_whatever_was_heard(work, elapsed_s, expected, ran):
    said = left(work, float(elapsed_s), expected, lessons_of(ran) if ran else None)
    assert 0 < said.p50_s <= said.p90_s
    assert math.isfinite(said.p90_s)
