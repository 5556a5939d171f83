"""What the recorded websocket transcripts say, message by message."""

import json
from collections import Counter

import pytest
from hypothesis import given

from comfy_node.contract import EVENT_END, EVENT_PROGRESS, EVENT_START, KINDS
from reconciler.comfyui.events import (
    Ended,
    NodeHeard,
    ProgressHeard,
    SocketEvent,
    StartHeard,
    StatusHeard,
    events_of,
)
from reconciler.comfyui.fields import Misshapen
from reconciler.core.evidence import EndKind
from tests.unit.comfyui.recorded import NEW, OLD, VERSIONS, messages, names, recorded
from tests.unit.comfyui.test_history import JSON


def heard(version: str, name: str) -> list[SocketEvent]:
    return [event for message in messages(version, name) for event in events_of(message)]


SPOKEN = [
    (version, name)
    for version in VERSIONS
    for name in names(version)
    if "ws" in (recorded(version, name) if isinstance(recorded(version, name), dict) else {})
]


def test_transcripts_were_found() -> None:
    assert len(SPOKEN) == 24


@pytest.mark.parametrize(("version", "name"), SPOKEN)
def test_no_recorded_message_is_garbage(version: str, name: str) -> None:
    assert len(heard(version, name)) > 0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_video_prompt_from_start_to_end(version: str) -> None:
    prompt_id = recorded(version, "video")["history"]["prompt"][1]
    events = [event for event in heard(version, "video") if not isinstance(event, StatusHeard)]
    assert events[0] == StartHeard(prompt_id)
    nodes = [event.node_id for event in events if isinstance(event, NodeHeard)]
    assert nodes == ["1", "3", "4", "4", None]  # the saver twice: it begins, and it has executed
    assert Ended(prompt_id, EndKind.SUCCESS) in events
    assert events[-1] == NodeHeard(prompt_id, None)
    progress = [e for e in events if isinstance(e, ProgressHeard) and e.node_id == "1"]
    assert progress[0] == ProgressHeard(prompt_id, "1", 0.0, 1.0)
    assert progress[-1].value <= progress[-1].maximum in (6.0, 8.0)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "kind"), [("error", "error"), ("interrupt", "interrupted")])
def test_how_a_prompt_ended(version: str, name: str, kind: str) -> None:
    prompt_id = recorded(version, name)["history"]["prompt"][1]
    assert Ended(prompt_id, EndKind(kind)) in heard(version, name)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_observer_of_anothers_prompt_hears_the_queue_only(version: str) -> None:
    events = heard(version, "observer_of_client_prompt")
    assert events == [StatusHeard(0), StatusHeard(1), StatusHeard(1), StatusHeard(0)]


@pytest.mark.parametrize(("version", "steps"), [(OLD, 6.0), (NEW, 6.0)])
def test_an_observer_of_an_anonymous_prompt_hears_its_progress(version: str, steps: float) -> None:
    counted = Counter(type(e) for e in heard(version, "observer_of_anonymous_prompt"))
    assert counted.keys() == {StatusHeard, ProgressHeard}
    told = [
        e
        for e in heard(version, "observer_of_anonymous_prompt")
        if isinstance(e, ProgressHeard) and e.maximum == steps
    ]
    assert told[-1].value == steps


@pytest.mark.parametrize("version", VERSIONS)
def test_finished_nodes_are_no_news(version: str) -> None:
    # The recording begins with the leftovers of the prompt before: its nodes had all finished.
    first = next(m for m in messages(version, "error") if b"progress_state" in m)
    assert events_of(first) == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_prompt_info_and_status_have_one_shape(version: str) -> None:
    status = {"type": "status", "data": {"status": recorded(version, "prompt_info")}}
    assert events_of(json.dumps(status).encode()) == (StatusHeard(0),)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "feature_flags", "data": {"supports_preview_metadata": True}},
        {"type": "crystools.monitor", "data": {"cpu": 3}},
        {"type": "execution_cached", "data": {"nodes": []}},
        {"type": "progress", "data": {"value": 1, "max": 2}},
        {"type": "executing", "data": {"node": "3"}},
        {"type": "reconciler.other"},
    ],
)
def test_messages_that_say_nothing_to_us(message: object) -> None:
    assert events_of(json.dumps(message).encode()) == ()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b'{"data": {}}',
        b'{"type": "status", "data": {"status": {}}}',
        b'{"type": "status", "data": {"status": {"exec_info": {"queue_remaining": NaN}}}}',
        b'{"type": "progress", "data": {"prompt_id": "p", "node": "1", "value": "x", "max": 1}}',
        b'{"type": "execution_success", "data": {"prompt_id": 7}}',
        b'{"type": "executing", "data": {"prompt_id": "p", "node": 5}}',
        b'{"type": "reconciler.start", "data": {}}',
        b'{"type": "reconciler.progress", "data": {"node_id": "3"}}',
        b'{"type": "reconciler.end", "data": {"prompt_id": "p", "kind": "gone"}}',
        b'{"type": "reconciler.end", "data": {"prompt_id": "p", "kind": ["success"]}}',
    ],
)
def test_garbage_is_told_from_silence(message: bytes) -> None:
    with pytest.raises(Misshapen):
        events_of(message)


def told(event: str, /, **data: object) -> tuple[SocketEvent, ...]:
    return events_of(json.dumps({"type": event, "data": {"prompt_id": "p", **data}}).encode())


def test_the_pack_tells_everybody() -> None:
    assert told(EVENT_START, job_id="41", at=1.0) == (StartHeard("p"),)
    steps = {"node_id": "3", "node_type": "KSampler", "value": 5, "max": 20, "nodes_done": 2}
    assert told(EVENT_PROGRESS, **steps) == (ProgressHeard("p", "3", 5.0, 20.0, 2, "KSampler"),)
    for kind in KINDS:
        assert told(EVENT_END, kind=kind, job_id=None) == (Ended("p", EndKind(kind)),)


@pytest.mark.parametrize("value", [None, "5", True])
def test_a_node_that_counts_no_steps_runs_all_the_same(value: object) -> None:
    heard = told(EVENT_PROGRESS, node_id="3", value=value, max=20, nodes_done=1)
    assert heard == (NodeHeard("p", "3", 1),)


@pytest.mark.parametrize("node_id", [None, "", 7, []])
def test_between_two_nodes_the_count_is_told(node_id: object) -> None:
    heard = told(EVENT_PROGRESS, node_id=node_id, value=1, max=2, nodes_done=4)
    assert heard == (NodeHeard("p", None, 4),)


@pytest.mark.parametrize("count", [None, -1, "2", 1e12, True])
def test_a_count_that_is_none_is_left_out(count: object) -> None:
    assert told(EVENT_PROGRESS, node_id="3", nodes_done=count) == (NodeHeard("p", "3", None),)


@given(JSON, JSON)
def test_any_json_gives_events_or_misshapen(kind: object, data: object) -> None:
    known = ["status", "progress", "progress_state", "executing", "executed", "execution_error"]
    known += [EVENT_START, EVENT_PROGRESS, EVENT_END]
    for message in (data, *({"type": name, "data": data} for name in [*known, kind])):
        try:
            assert isinstance(events_of(json.dumps(message).encode()), tuple)
        except Misshapen:
            continue
