"""What a snapshot says: strict about which prompts there are, lenient about them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfy_node.contract import PACK_VERSION, SNAPSHOT_FORMAT
from reconciler.comfyui.fields import MAX_ID_CHARS, Misshapen
from reconciler.comfyui.snapshot import Snapshot, snapshot_of
from reconciler.comfyui.values import EndedNote, QueuedPrompt, RunningState
from reconciler.core.evidence import EndKind
from reconciler.core.kinds import Sizes
from tests.unit.comfyui.recorded import VERSIONS, recorded_pack
from tests.unit.comfyui.snapshots import BUSY, NOW, end, snapshot
from tests.unit.comfyui.test_history import JSON


def read(answer: object) -> Snapshot:
    known = snapshot_of(answer)
    assert known is not None
    return known


def test_a_busy_server() -> None:
    told = read(BUSY)
    look = told.look
    assert (told.boot_id, told.cursor) == ("boot-a", 9)
    assert (look.boot_id, look.worker_alive, look.pack) == ("boot-a", True, PACK_VERSION)
    assert look.running == (
        QueuedPrompt("p1", 3.0, "41", "app", 1, 7, NOW - 60, job_id_from="client"),
    )
    assert [prompt.prompt_id for prompt in look.pending] == ["p3", "p2"], "as the pack orders them"
    assert look.pending[1] == QueuedPrompt(
        "p2", 4.0, job_id_from="node", first_prompt_id="p1", created_at=None
    )
    assert look.states == {"p1": RunningState(50.0, 2.0, "3", "KSampler", 5.0, 20.0, 2)}
    assert look.ended == (
        EndedNote("p0", EndKind.SUCCESS, "40", NOW - 5),
        EndedNote("px", EndKind.REMOVED, None, NOW - 5),
    )
    assert look.complete is True


def test_the_kind_of_work_is_told_and_what_is_none_is_not_known() -> None:
    prompt = {
        "prompt_id": "p1",
        "workflow": "0123456789abcdef",
        "sizes": {"width": 512, "height": 768, "frames": True, "steps": -1, "other": 3},
        "node_types": {"1": "KSampler", "2": None, "x" * 9999: "SaveImage"},
    }
    strange = {"prompt_id": "p2", "workflow": 7, "sizes": ["x"], "node_types": "none"}
    told, unknown = read(snapshot(running=[prompt], pending=[strange])).look
    assert (told.workflow, told.sizes) == ("0123456789abcdef", Sizes(None, 512, 768, None))
    assert told.node_types == {"1": "KSampler"}
    assert (unknown.workflow, unknown.sizes, unknown.node_types) == (None, Sizes(), {})


@pytest.mark.parametrize("version", VERSIONS)
def test_the_recorded_snapshot(version: str) -> None:
    """A prompt in its first node, two that wait (the one with the smaller number first), one that
    succeeded, and one that was deleted."""
    recording = recorded_pack(f"snapshot-{version}")
    told = read(recording["snapshot"])
    look = told.look
    (running,), (first, second) = look.running, look.pending
    assert (running.job_id, running.job_id_from, running.client_id) == ("41", "client", "lab")
    assert (first.number, second.number, second.job_id) == (-5.0, 2.0, "42")
    assert second.created_at is not None
    assert first.created_at is not None
    assert first.created_at > second.created_at, "it jumped the queue"
    state = look.states[running.prompt_id]
    assert (state.node_id, state.node_type, state.maximum) == ("1", "SlowNoise", 100.0)
    assert state.age_s is not None
    assert state.sign_age_s is not None
    assert 3.0 < state.age_s < 5.0
    assert state.sign_age_s < 0.4, "a step each 0.3 s"
    assert [(note.kind, note.job_id) for note in look.ended] == [
        (EndKind.SUCCESS, "40"),
        (EndKind.REMOVED, None),
    ]
    assert (look.worker_alive, look.complete, told.cursor) == (True, True, 2)
    later = read(recording["since"])
    assert (later.boot_id, later.cursor, later.look.ended) == (told.boot_id, 2, ())


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "snapshot",
        {},
        {"format": "1"},
        {"format": True, "boot_id": "b", "running": [], "pending": []},
        snapshot(format=SNAPSHOT_FORMAT + 1),
        {"queue_running": [], "queue_pending": []},
    ],
)
def test_something_else_or_another_format_is_no_snapshot(answer: object) -> None:
    assert snapshot_of(answer) is None


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"boot_id": None}, "boot_id"),
        ({"boot_id": ""}, "boot_id"),
        ({"boot_id": 7}, "boot_id"),
        ({"running": None}, "'running' is missing"),
        ({"pending": {}}, "'pending' is missing"),
        ({"running": [None]}, r"running\[0\] carries no prompt id"),
        ({"pending": [{"prompt_id": "a"}, {"number": 1}]}, r"pending\[1\] carries no prompt id"),
        ({"pending": [{"prompt_id": ["a"]}]}, r"pending\[0\]"),
        ({"pending": [{"prompt_id": ""}]}, r"pending\[0\]"),
    ],
)
def test_doubt_about_which_prompts_there_are_is_no_answer(told: dict[str, Any], words: str) -> None:
    with pytest.raises(Misshapen, match=words):
        snapshot_of(snapshot(**told))


def test_doubt_about_a_prompt_is_not_known() -> None:
    odd = {key: {"x": 1} for key in BUSY["running"][0]} | {"prompt_id": "p"}
    look = read(snapshot(running=[odd], pending=[odd])).look
    assert look.running == look.pending == (QueuedPrompt("p", 0.0),)
    assert look.states == {"p": RunningState()}


@pytest.mark.parametrize("alive", [None, "true", 1, 0, [], {}])
def test_only_true_and_false_say_how_the_worker_is(alive: object) -> None:
    assert read(snapshot(worker_alive=alive)).look.worker_alive is None


@pytest.mark.parametrize(
    "ended",
    [
        None,
        {},
        [None],
        [{"prompt_id": "p"}],
        [end(1, "")],
        [end(1, "p", kind="gone")],
        [{"kind": ["removed"], "prompt_id": "p"}],
    ],
)
def test_ends_that_cannot_be_read_are_not_complete(ended: object) -> None:
    look = read(snapshot(ended=ended)).look
    assert (look.ended, look.complete) == ((), False)


def test_a_follow_up_names_the_prompt_that_queued_it() -> None:
    (told,) = read(snapshot(ended=[end(1, "q", first_prompt_id="p")])).look.ended
    assert told.first_prompt_id == "p"


def test_the_others_are_read_all_the_same() -> None:
    look = read(snapshot(ended=[end(1, "a", "error"), 7, end(3, "b", "interrupted")])).look
    assert [note.kind for note in look.ended] == [EndKind.ERROR, EndKind.INTERRUPTED]
    assert look.complete is False


@pytest.mark.parametrize("complete", [False, None, "true", 1])
def test_what_is_not_said_to_be_complete_is_not(complete: object) -> None:
    assert read(snapshot(complete=complete)).look.complete is False


@pytest.mark.parametrize("cursor", [None, -1, "9", 1.5, True, 10**300, [], 2**53 + 1])
def test_what_is_no_cursor_asks_for_everything_again(cursor: object) -> None:
    assert read(snapshot(cursor=cursor)).cursor is None


def state(**told: Any) -> RunningState:
    now = told.pop("now", NOW)
    return read(snapshot(now=now, running=[{"prompt_id": "p", **told}])).look.states["p"]


def test_ages_are_by_comfyuis_clock_alone() -> None:
    assert state(now=100.0, since=40.0, sign_at=97.5).sign_age_s == 2.5
    assert state(now=100.0, since=40.0).age_s == 60.0


@pytest.mark.parametrize("then", [None, "1", float("nan"), 10**400, -1e300, True])
def test_what_is_no_time_has_no_age(then: object) -> None:
    assert state(sign_at=then).sign_age_s is None


def test_a_clock_that_was_set_back_makes_nobody_younger_than_now() -> None:
    assert state(sign_at=NOW + 3600).sign_age_s == 0.0
    assert state(now=None, sign_at=NOW).sign_age_s is None


@pytest.mark.parametrize(("count", "known"), [(3, 3), (0, 0), (-1, None), (1e9, None), ("3", None)])
def test_counts_are_those_of_a_graph(count: object, known: int | None) -> None:
    assert state(nodes_done=count).nodes_done == known
    (prompt,) = read(snapshot(pending=[{"prompt_id": "p", "graph_nodes": count}])).look.pending
    assert prompt.graph_nodes == known


def test_texts_are_bounded_and_storable() -> None:
    told = {"prompt_id": "a\0b" + "x" * 9999, "client_id": "\udc80" + "y" * 9999}
    (prompt,) = read(snapshot(pending=[told], boot_id="\udc80" + "z" * 9999)).look.pending
    assert len(prompt.prompt_id) == MAX_ID_CHARS
    assert "\0" not in prompt.prompt_id
    assert prompt.client_id is not None
    assert len(prompt.client_id) == 200
    prompt.client_id.encode()


def test_a_job_id_that_is_none_is_none() -> None:
    (prompt,) = read(snapshot(pending=[{"prompt_id": "p", "job_id": "4\u202e2"}])).look.pending
    assert prompt.job_id is None


ODD = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(snapshot(), JSON)
    | {
        "running": st.lists(
            JSON
            | st.fixed_dictionaries(
                {"prompt_id": st.text(min_size=1)},
                optional={key: JSON for key in BUSY["running"][0] if key != "prompt_id"},
            )
        ),
        "ended": st.lists(
            JSON
            | st.fixed_dictionaries(
                {"kind": st.sampled_from(["success", "removed"]) | JSON, "prompt_id": JSON},
            )
        ),
    },
)


@given(ODD)
def test_any_snapshot_gives_a_value_or_misshapen(odd: dict[str, Any]) -> None:
    try:
        told = snapshot_of(snapshot() | odd | {"format": SNAPSHOT_FORMAT})
    except Misshapen:
        return
    assert told is not None
    assert set(told.look.states) == {prompt.prompt_id for prompt in told.look.running}
    for known in told.look.states.values():
        assert known.sign_age_s is None or 0.0 <= known.sign_age_s <= 1e9


@given(JSON)
def test_any_json_is_a_snapshot_or_none(odd: object) -> None:
    assert snapshot_of(odd) is None or isinstance(odd, dict)
