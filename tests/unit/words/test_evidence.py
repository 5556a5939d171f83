"""Evidence in lines for people."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.words.evidence import evidence_lines

KEYS = [
    "prompt_id", "place", "server", "opened_at", "running_since", "last_sign_at", "budget_s",
    "position", "missing_looks", "missing_since", "boot_changed_since", "unreachable_since", "how",
    "storage_healthy", "ending", "source", "node_id", "node_type", "exception_type", "cached",
    "longest_nodes", "ended_at", "outputs", "partial_files", "status", "failure",
    "unwatched_s", "doing", "run_stage", "no_progress_s", "no_progress_by", "budget_by",
    "worker_dead", "noted", "noted_at",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def at(instant: float) -> str:
    return f"<{instant:g}>"


def test_a_lost_prompt() -> None:
    evidence = {
        "prompt_id": "p1",
        "place": "absent",
        "server": "gpu1",
        "running_since": 5.0,
        "missing_looks": 3,
        "missing_since": 9.0,
        "partial_files": [{"path": "/out/a.mp4", "state": "unsound", "defects": ["cut", "off"]}],
    }
    assert evidence_lines(evidence, at) == [
        "prompt p1, not found on gpu1",
        "running since <5>",
        "missed by 3 clean looks since <9>",
        "left behind: /out/a.mp4: unsound: cut; off",
    ]


def test_a_stalled_prompt() -> None:
    evidence = {
        "prompt_id": "p1",
        "place": "running",
        "server": "gpu1",
        "running_since": 5.0,
        "unwatched_s": 7200.0,
        "last_sign_at": 9.0,
        "doing": "node 7 (KSampler), step 12 of 30",
        "run_stage": "sampling",
        "no_progress_s": 900.0,
        "no_progress_by": "stall",
        "budget_s": 2340.0,
        "budget_by": "stall.rules[0] and stall",
    }
    assert evidence_lines(evidence, at) == [
        "prompt p1, running on gpu1",
        "running since <5>",
        "last sign of life <9>",
        "last seen at node 7 (KSampler), step 12 of 30 (sampling)",
        "silence allowed 15 min",
        "runtime budget 39 min, by stall.rules[0] and stall",
        "not counted: 2 h in which nobody watched it",
    ]


def test_an_error() -> None:
    evidence = {
        "place": "unknown",
        "server": "gpu1",
        "ending": "error",
        "source": "history",
        "ended_at": 7.0,
        "node_id": "3",
        "node_type": "KSampler",
        "exception_type": "ValueError",
        "cached": True,
        "longest_nodes": "KSampler (3) 50.2 s, VAEDecode (8) 2.0 s",
    }
    assert evidence_lines(evidence, at) == [
        "on gpu1",
        "history says error at <7>, node 3 (KSampler), ValueError, all of it cached",
        "longest nodes: KSampler (3) 50.2 s, VAEDecode (8) 2.0 s",
    ]


def test_what_the_node_pack_told() -> None:
    evidence = {"worker_dead": True, "noted": "success", "noted_at": 4.0}
    assert evidence_lines(evidence, at) == [
        "the node pack told that it ended: success at <4>",
        "the node pack says that ComfyUI's worker thread is dead",
    ]
    shared = {"unreachable_since": 3.0, "how": "shared"}
    assert evidence_lines(shared, at) == ["several servers answer in turn, last at <3>"]


def test_a_silent_server_a_budget_and_a_queue() -> None:
    evidence = {
        "unreachable_since": 3.0,
        "how": "refused",
        "budget_s": 252.0,
        "position": 4,
        "boot_changed_since": 8.0,
        "storage_healthy": False,
        "opened_at": 1.0,
        "status": "failed",
        "failure": "lost",
    }
    assert evidence_lines(evidence, at) == [
        "opened <1>",
        "runtime budget 4 min 12 s",
        "number 4 in the queue",
        "ComfyUI has another boot id since <8>",
        "the server has not answered since <3> (refused)",
        "the output directory is not readable, or not the one it was",
    ]


def test_what_nobody_foresaw_is_shown_all_the_same() -> None:
    lines = evidence_lines({"new\x1b": {"a": [1, "\x07"]}, "long": "x" * 999}, at)
    assert lines[0] == 'new\\x1b: {"a": [1, "\\u0007"]}'
    assert len(lines[1]) < 310


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(), JSON, max_size=8))
def test_any_json_becomes_plain_lines(evidence: dict[str, object]) -> None:
    for line in evidence_lines(evidence, at):
        assert line
        assert line.isprintable()
