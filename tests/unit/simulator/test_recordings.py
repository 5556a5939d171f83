"""The simulator's answers beside every recording of the real ones: same keys, types and order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator import Simulator
from tests.contract.talk import Event, Graph, Listener, Server, wait_until

RECORDINGS = Path(__file__).parents[2] / "recordings"
VERSIONS = ["0.3.64", "0.33.0"]
#: The recorder kept the first six of each kind.
PROGRESS = ("progress", "progress_state")

#: Recordings of one prompt each, from its submission to its last event.
SINGLE = ["image", "video", "webm", "vhs", "gif", "webp", "multi"]
OTHERS = [
    "api_jobs",
    "cached",
    "error",
    "interrupt",
    "invalid",
    "invalid_node_type",
    "observer_of_anonymous_prompt",
    "observer_of_client_prompt",
    "prompt_info",
    "queue",
    "system_stats",
]


@pytest.fixture(scope="module", params=VERSIONS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    output_dir = tmp_path_factory.mktemp("output")
    with Simulator(output_dir, version=request.param, pack=False) as simulator:
        yield Server(simulator.url, request.param, frozenset())


@pytest.fixture
def client(server: Server) -> Iterator[Listener]:
    with server.listen("lab") as listener:
        yield listener


def recording(server: Server, name: str) -> Any:
    return json.loads((RECORDINGS / f"comfyui-{server.version}" / f"{name}.json").read_text())


def shape(value: Any) -> Any:
    """Keys and types of a JSON value; a list of equal shapes counts as one of them."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        shapes = [shape(each) for each in value]
        return [shapes[0]] if shapes and shapes.count(shapes[0]) == len(shapes) else shapes
    return type(value).__name__


def recorded_events(recorded: dict[str, Any]) -> list[Event]:
    return [(each["message"]["type"], each["message"]["data"]) for each in recorded["ws"]]


def segments(events: list[Event]) -> Iterator[tuple[str, Any, list[Event]]]:
    """Each event that is no progress, its shape, and the progress told since the one before."""
    progress: list[Event] = []
    for name, data in events:
        if name in PROGRESS:
            progress.append((name, shape(data)))
        else:
            yield name, shape(data), progress
            progress = []


def assert_same_story(told: list[Event], recorded: list[Event]) -> None:
    """Same events in the same order; the recorded progress is told between the same two."""
    ours, theirs = list(segments(told)), list(segments(recorded))
    assert [name for name, _, _ in ours] == [name for name, _, _ in theirs]
    for (name, ours_shape, progress), (_, shape_, recorded_progress) in zip(
        ours, theirs, strict=True
    ):
        assert ours_shape == shape_, name
        missing = [each for each in recorded_progress if each not in progress]
        assert not missing, f"before {name}"


def resubmit(server: Server, recorded: dict[str, Any]) -> str:
    """Post the recorded prompt again, as it was posted."""
    _, _, graph, extra_data, _ = recorded["history"]["prompt"]
    extra = {k: v for k, v in extra_data.items() if k not in ("client_id", "create_time")}
    body: dict[str, Any] = {"extra_data": extra} if extra else {}
    if "client_id" in extra_data:
        body["client_id"] = extra_data["client_id"]
    return server.submit(graph, **body)


def test_every_recording_is_compared() -> None:
    for version in VERSIONS:
        there = {path.stem for path in (RECORDINGS / f"comfyui-{version}").glob("*.json")}
        assert there <= {*SINGLE, *OTHERS}


@pytest.mark.parametrize("name", SINGLE)
def test_a_prompt_that_succeeds(server: Server, client: Listener, name: str) -> None:
    recorded = recording(server, name)
    prompt_id = resubmit(server, recorded)
    client.wait_for_end(prompt_id)
    entry = server.history(prompt_id)
    assert shape(entry) == shape(recorded["history"])
    assert_same_story(client.events[1:], recorded_events(recorded))
    assert file_names(entry) == file_names(recorded["history"])


def file_names(entry: Any) -> dict[str, list[str]]:
    """Listed files by node, without their counters, which depend on what went before."""
    return {
        node_id: [
            file["filename"].replace(counter(file["filename"]), "N")
            for files in outputs.values()
            for file in files
            if isinstance(file, dict)
        ]
        for node_id, outputs in entry["outputs"].items()
    }


def counter(name: str) -> str:
    return str(re.findall(r"\d{5}", name)[-1])


def test_a_post_answers_as_recorded(server: Server) -> None:
    recorded = recording(server, "image")
    graph = recorded["history"]["prompt"][2]
    answer = server.post("/prompt", {"prompt": graph})
    assert shape(answer.json()) == shape(recorded["post"])
    server.wait_for_end(answer.json()["prompt_id"])


def test_a_cached_prompt(server: Server, client: Listener) -> None:
    """The recorder cut this story in two: its rest stands before the next recording's."""
    first = server.wait_for_end(resubmit(server, recording(server, "multi")))
    recorded = recording(server, "cached")
    prompt_id = resubmit(server, recorded)
    client.wait_for_end(prompt_id)
    entry = server.history(prompt_id)
    assert entry is not None
    assert shape(entry) == shape(recorded["history"])
    assert entry["outputs"] == first["outputs"]
    cut = recorded_events(recorded) + recorded_events(recording(server, "error"))
    recorded_id = recorded["history"]["prompt"][1]
    theirs = about(cut, recorded_id)
    ours = about(client.events, prompt_id)
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    assert unordered(ours) == unordered(theirs)


def about(events: list[Event], prompt_id: str) -> list[Event]:
    return [event for event in events if event[1].get("prompt_id") == prompt_id]


def unordered(events: list[Event]) -> list[str]:
    """Shapes without the order of the nodes, which is a matter of hashes in ComfyUI."""
    done = [(name, shape(data)) for name, data in events if name != "progress_state"]
    return sorted(json.dumps(each, sort_keys=True) for each in done)


def test_an_error(server: Server, client: Listener) -> None:
    recorded = recording(server, "error")
    prompt_id = resubmit(server, recorded)
    client.wait_for_end(prompt_id)
    assert shape(server.history(prompt_id)) == shape(recorded["history"])
    theirs = about(recorded_events(recorded), recorded["history"]["prompt"][1])
    ours = about(client.events, prompt_id)
    assert [n for n, _ in ours if n not in PROGRESS] == [n for n, _ in theirs if n not in PROGRESS]
    [ours_error] = [data for name, data in ours if name == "execution_error"]
    [theirs_error] = [data for name, data in theirs if name == "execution_error"]
    assert shape(ours_error) == shape(theirs_error)
    for same in ("exception_message", "exception_type", "node_id", "node_type", "executed"):
        assert ours_error[same] == theirs_error[same]


def test_an_interrupt_and_the_queue_while_it_ran(server: Server, client: Listener) -> None:
    recorded, queue = recording(server, "interrupt"), recording(server, "queue")
    prompt_id = resubmit(server, recorded)
    client.wait_for("progress", prompt_id=prompt_id, value=1)
    waiting: Graph = queue["queue_pending"][0][2]
    pending_id = server.submit(waiting, client_id="lab")
    assert shape(server.json("/queue")) == shape(queue)
    server.post("/queue", {"delete": [pending_id]})
    server.post("/interrupt", {"prompt_id": prompt_id})
    client.wait_for_end(prompt_id)
    assert shape(server.history(prompt_id)) == shape(recorded["history"])
    theirs = about(recorded_events(recorded), recorded["history"]["prompt"][1])
    ours = about(client.events, prompt_id)
    assert [n for n, _ in ours if n not in PROGRESS] == [n for n, _ in theirs if n not in PROGRESS]
    [interrupted] = [data for name, data in theirs if name == "execution_interrupted"]
    assert shape(client.wait_for("execution_interrupted")[1]) == shape(interrupted)


@pytest.mark.parametrize("name", ["invalid", "invalid_node_type"])
def test_a_refusal(server: Server, name: str) -> None:
    recorded = recording(server, name)
    graphs: dict[str, Graph] = {
        "invalid": {
            "4": {
                "class_type": "SaveVideo",
                "inputs": {"filename_prefix": "video/vid", "format": "auto", "codec": "auto"},
            }
        },
        "invalid_node_type": {"9": {"class_type": "NoSuchNode", "inputs": {}}},
    }
    answer = server.post("/prompt", {"prompt": graphs[name]})
    assert answer.status_code == recorded["status"]
    assert answer.json() == recorded["body"]


def test_an_observer_of_a_clients_prompt(server: Server) -> None:
    recorded = recorded_events(recording(server, "observer_of_client_prompt"))
    with server.listen("observer") as observer:
        server.wait_for_end(resubmit(server, fresh(recording(server, "video"))))
        wait_until(lambda: len(observer.events) >= len(recorded), "the last status")
        assert observer.events == recorded


def test_an_observer_of_an_anonymous_prompt(server: Server) -> None:
    recorded = recording(server, "observer_of_anonymous_prompt")
    with server.listen("observer") as observer:
        prompt_id = resubmit(server, recorded)
        entry = server.wait_for_end(prompt_id)
        assert shape(entry) == shape(recorded["history"])
        wait_until(lambda: observer.names().count("status") == 4, "the last status")
        assert_same_story(observer.events[1:], recorded_events(recorded))


def fresh(recorded: dict[str, Any]) -> dict[str, Any]:
    """The same with another seed, so that nothing of it is cached."""
    recorded["history"]["prompt"][2]["1"]["inputs"]["seed"] += 1000
    return recorded


@pytest.mark.parametrize("name", ["prompt_info", "system_stats"])
def test_an_answer_about_the_server(server: Server, name: str) -> None:
    path = {"prompt_info": "/prompt", "system_stats": "/system_stats"}[name]
    assert shape(server.json(path)) == shape(recording(server, name))


def test_the_list_of_jobs(server: Server) -> None:
    if server.version == "0.3.64":
        assert server.get("/api/jobs").status_code == 404
        return
    recorded = recording(server, "api_jobs")
    for number in range(6):
        video = recording(server, "video")
        video["history"]["prompt"][2]["1"]["inputs"]["seed"] = 2000 + number
        server.wait_for_end(resubmit(server, video))
    answer = server.json("/api/jobs", limit=5)
    assert shape(answer) == shape(recorded)
