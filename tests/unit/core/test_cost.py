"""What a run cost, beside the fastest of its workflow, in numbers and in words."""

from __future__ import annotations

from reconciler.core.cost import cost_of
from reconciler.core.evidence import EndKind, NodeRun
from reconciler.core.kinds import Kind, PromptRun, Run, Sizes
from reconciler.words.cost import as_json, sentences

LOAD, SAMPLE, SAVE = ("1", "CheckpointLoaderSimple"), ("2", "KSampler"), ("3", "SaveVideo")


def ran(name, nodes, cached=(), frames=24, kind=EndKind.SUCCESS, server="gpu1"):
    found = tuple(NodeRun(*node, seconds) for node, seconds in nodes)
    whole = sum(node.seconds for node in found)
    of = Kind("w", "video", server, Sizes(frames=frames))
    return PromptRun(
        name, "1", 1, kind, Run(of, whole, 0.0, found), None, tuple(cached), "manifest"
    )


SLOW = ran("slow", [(LOAD, 12.0), (SAMPLE, 61.0), (SAVE, 2.0)])
FAST = ran("fast", [(SAMPLE, 34.0), (SAVE, 2.0)], cached=["1"], server="gpu2")
MIDDLE = ran("middle", [(SAMPLE, 40.0), (SAVE, 2.5)], cached=["1"])


def test_beside_the_fastest_each_node_says_what_could_be_won():
    cost = cost_of(SLOW, [MIDDLE, FAST])
    assert cost.fastest is FAST
    assert (cost.compared, cost.same_size, cost.median_s) == (2, True, 39.25)
    assert [(n.node_type, n.seconds, n.fastest_s, n.lost_s) for n in cost.nodes] == [
        ("KSampler", 61.0, 34.0, 27.0),
        ("CheckpointLoaderSimple", 12.0, 0.0, 12.0),
        ("SaveVideo", 2.0, 2.0, 0.0),
    ]
    assert [node.node_type for node in cost.loaded] == ["CheckpointLoaderSimple"]
    assert (cost.hit, cost.missed) == (0, 3)


def test_in_words():
    first, second = sentences(cost_of(SLOW, [MIDDLE, FAST]))
    assert first == (
        "It ran for 1 min 15 s; of 2 other runs of this workflow the fastest took 36 s on gpu2,"
        " half of them 39 s or less."
    )
    assert second == (
        "KSampler took 1 min 1 s, in the fastest run 34 s; CheckpointLoaderSimple was loaded again:"
        " 12 s."
    )


def test_runs_of_another_size_are_taken_where_there_is_no_other():
    short = ran("short", [(SAMPLE, 5.0)], frames=8)
    assert cost_of(SLOW, [short, FAST]).fastest is FAST
    cost = cost_of(SLOW, [short])
    assert (cost.fastest, cost.same_size) == (short, False)
    assert "another size" in sentences(cost)[0]


def test_failed_and_wholly_cached_runs_are_no_measure():
    failed = ran("failed", [(SAMPLE, 1.0)], kind=EndKind.ERROR)
    cost = cost_of(SLOW, [failed])
    assert cost.fastest is None
    assert sentences(cost) == ["It ran for 1 min 15 s; no other run of this workflow is known."]


def test_cached_nodes_are_told_with_what_they_are():
    cost = cost_of(FAST, [SLOW])
    (cached,) = [node for node in cost.nodes if node.seconds is None]
    assert (cached.node_id, cached.node_type, cached.loads) == ("1", LOAD[1], True)
    assert (cost.hit, cost.missed) == (1, 2)
    told = as_json(cost)
    assert (told["cache_hits"], told["cache_misses"], told["fastest"]["prompt_id"]) == (
        1,
        2,
        "slow",
    )
    assert told["words"] == ["It ran for 36 s, faster than one other run of this workflow."]
