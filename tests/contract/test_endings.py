"""How prompts end: history entries, files and what is written into them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.contract.media import container_tags, decoded_frames
from tests.contract.talk import (
    Graph,
    Server,
    as_sent,
    audio_graph,
    batch_graph,
    failing_graph,
    fresh_prefix,
    images_graph,
    long_graph,
    video_graph,
    wait_until,
)

pytestmark = pytest.mark.contract

JOB = {"extra_pnginfo": {"job_id": "42", "workflow": {"nodes": [], "name": "x=;#\\\n"}}}


def view(server: Server, file: dict[str, str]) -> bytes:
    """The bytes of a file that an ending lists."""
    names = {name: file[name] for name in ("filename", "subfolder", "type")}
    answer = server.get("/view", **names)
    assert answer.status_code == 200, (names, answer.status_code)
    return answer.content


def message_names(entry: dict[str, Any]) -> list[str]:
    return [name for name, _ in entry["status"]["messages"]]


def test_success_with_pictures(server: Server) -> None:
    prefix = fresh_prefix("pictures")
    graph = images_graph(prefix, batch=3)
    entry = server.finish(graph, extra_data=JOB, client_id="somebody")
    assert entry.keys() == {"prompt", "outputs", "status", "meta"}
    name = prefix.removeprefix("contract/")
    assert entry["outputs"] == {
        "2": {
            "images": [
                {"filename": f"{name}_{n:05}_.png", "subfolder": "contract", "type": "output"}
                for n in (1, 2, 3)
            ]
        }
    }
    about = {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"}
    assert entry["meta"] == {"2": about}
    status = entry["status"]
    assert (status["status_str"], status["completed"]) == ("success", True)
    assert message_names(entry) == ["execution_start", "execution_cached", "execution_success"]
    prompt_id = entry["prompt"][1]
    for _, data in status["messages"]:
        assert data["prompt_id"] == prompt_id
        assert isinstance(data["timestamp"], int)
    with Image.open(io.BytesIO(view(server, entry["outputs"]["2"]["images"][0]))) as picture:
        assert picture.size == (64, 64)
        assert_tags(picture.info, graph)


def assert_tags(tags: Mapping[Any, Any], graph: Graph) -> None:
    """Every entry of extra_pnginfo is there, JSON-encoded, and the graph under `prompt`."""
    assert tags["job_id"] == '"42"'
    assert json.loads(tags["workflow"]) == JOB["extra_pnginfo"]["workflow"]
    assert json.loads(tags["prompt"]) == graph


def test_success_with_a_video(server: Server, tmp_path: Path) -> None:
    prefix = fresh_prefix("video")
    graph = video_graph(prefix, frames=12)
    entry = server.finish(graph, extra_data=JOB)
    name = prefix.removeprefix("contract/")
    file = {"filename": f"{name}_00001_.mp4", "subfolder": "contract", "type": "output"}
    assert entry["outputs"] == {"3": {"images": [file], "animated": [True]}}
    content = view(server, file)
    assert content[4:8] == b"ftyp"
    moov_in_front = content.index(b"moov") < content.index(b"mdat")
    assert moov_in_front == server.puts_moov_in_front
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    assert_tags(container_tags(path), graph)
    assert decoded_frames(path) == 12


def test_a_batch_of_vhs_is_several_prompts_and_one_file(server: Server, tmp_path: Path) -> None:
    """Only the last lists the file, which carries the first one's tags."""
    if "VHS_BatchManager" not in server.nodes:
        pytest.skip("this ComfyUI lacks VideoHelperSuite")
    source = server.finish(video_graph(fresh_prefix("source"), frames=10))["outputs"]["3"]
    argv = server.json("/system_stats")["system"]["argv"]
    root = Path(argv[len(argv) - argv[::-1].index("--output-directory")])
    video = root / source["images"][0]["subfolder"] / source["images"][0]["filename"]
    prefix = fresh_prefix("batch")
    first = server.submit(batch_graph(prefix, str(video), 4), extra_data=JOB)
    wait_until(lambda: len(server.saved_under(prefix)) == 3, "the last of three prompts")
    entries = server.saved_under(prefix)
    assert entries[0]["prompt"][1] == first
    assert [entry["status"]["status_str"] for entry in entries] == ["success"] * 3
    assert [entry["outputs"] for entry in entries[:2]] == [{"3": {"unfinished_batch": [True]}}] * 2
    managers = [entry["prompt"][2]["1"]["inputs"] for entry in entries]
    assert [inputs["requeue"] for inputs in managers] == [1, 2, 2]
    parts = 5 if server.has_jobs_api else 6
    assert [len(entry["prompt"]) for entry in entries] == [5, parts, parts]
    carried = [as_sent(entry["prompt"][3]) for entry in entries]
    assert carried == [carried[0]] * 3
    [listed] = entries[2]["outputs"]["3"]["gifs"]
    assert listed["filename"] == f"{prefix.removeprefix('contract/')}_00001.mp4"
    path = tmp_path / "video.mp4"
    path.write_bytes(view(server, listed))
    assert decoded_frames(path) == 10
    tags = container_tags(path)
    assert tags["job_id"] == '"42"'
    if server.has_pack:
        assert json.loads(tags["prompt_id"]) == first


def test_success_with_sound(server: Server, tmp_path: Path) -> None:
    prefix = fresh_prefix("sound")
    graph = audio_graph(prefix)
    entry = server.finish(graph, extra_data=JOB)
    name = f"{prefix.removeprefix('contract/')}_00001{server.audio_name_end}.flac"
    file = {"filename": name, "subfolder": "contract", "type": "output"}
    assert entry["outputs"] == {"2": {"audio": [file]}}
    path = tmp_path / "sound.flac"
    path.write_bytes(view(server, file))
    assert path.read_bytes()[:4] == b"fLaC"
    assert_tags(container_tags(path), graph)


def test_a_video_grows_under_its_final_name(server: Server) -> None:
    """Seen through GET /view: several sizes, no moov box before the last, then the end."""
    prefix = fresh_prefix("growing")
    prompt_id = server.submit(video_graph(prefix, frames=150, size=512))
    name = f"{prefix.removeprefix('contract/')}_00001_.mp4"
    looks: list[bytes] = []

    def look() -> bool:
        ended = server.history(prompt_id) is not None
        answer = server.get("/view", filename=name, subfolder="contract")
        if answer.status_code == 200:
            looks.append(answer.content)
        return ended

    wait_until(look, "the end of the video")
    growing = [content for content in looks if b"moov" not in content]
    assert growing, "it was never seen unfinished"
    assert len(growing[-1]) <= len(looks[-1])
    assert b"moov" in looks[-1]
    assert len({len(content) for content in looks}) > 1


def test_counters_go_on_from_the_highest_number(server: Server) -> None:
    prefix = fresh_prefix("counter")
    entries = [server.finish(images_graph(prefix, batch=2)) for _ in range(2)]
    names = [file["filename"] for e in entries for file in e["outputs"]["2"]["images"]]
    assert [name[-10:] for name in names] == [f"{n:05}_.png" for n in (1, 2, 3, 4)]


def test_a_cached_prompt_lists_the_files_of_the_earlier_one(server: Server) -> None:
    prefix = fresh_prefix("cached")
    graph = images_graph(prefix, batch=1)
    first, second = server.finish(graph), server.finish(graph)
    assert first["outputs"] == second["outputs"]
    assert second["status"]["status_str"] == "success"
    cached = dict(map(tuple, second["status"]["messages"]))["execution_cached"]
    assert sorted(cached["nodes"]) == ["1", "2"]
    name = prefix.removeprefix("contract/")
    unwritten = server.get("/view", filename=f"{name}_00002_.png", subfolder="contract")
    assert unwritten.status_code == 404


def test_a_saver_with_another_prefix_runs_again_and_what_stands_above_does_not(
    server: Server,
) -> None:
    graph = images_graph(fresh_prefix("above"), batch=1)
    server.finish(graph)
    graph["2"]["inputs"]["filename_prefix"] = fresh_prefix("below")
    with server.listen() as client:
        prompt_id = server.submit(graph, client_id=client.client_id)
        client.wait_for_end(prompt_id)
        worked = [data["node"] for name, data in client.events if name == "executing"]
        assert worked == ["2", None]
        assert client.wait_for("execution_cached")[1]["nodes"] == ["1"]
        assert client.names(prompt_id).count("executed") == 1


def test_a_preview_is_listed_as_temporary(server: Server) -> None:
    graph = images_graph("unused", batch=1)
    graph["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    [file] = server.finish(graph)["outputs"]["2"]["images"]
    assert file.keys() == {"filename", "subfolder", "type"}
    assert file["type"] == "temp"


def test_a_node_that_raises(server: Server) -> None:
    entry = server.finish(failing_graph(), client_id="somebody")
    assert entry["outputs"] == {}
    assert entry["meta"] == {}
    status = entry["status"]
    assert (status["status_str"], status["completed"]) == ("error", False)
    assert message_names(entry) == ["execution_start", "execution_cached", "execution_error"]
    error = status["messages"][-1][1]
    assert error.keys() == {
        "prompt_id",
        "node_id",
        "node_type",
        "executed",
        "exception_message",
        "exception_type",
        "traceback",
        "current_inputs",
        "current_outputs",
        "timestamp",
    }
    assert (error["node_id"], error["node_type"]) == ("2", "SaveImage")
    assert error["executed"] == ["1"]
    assert error["exception_message"].endswith("\n")
    hidden = {"prompt", "extra_pnginfo"}
    assert error["current_inputs"].keys() == {"images", "filename_prefix"} | hidden
    assert error["current_inputs"]["filename_prefix"] == ["../../outside/of-it"]
    if not server.has_pack:
        assert error["current_inputs"]["extra_pnginfo"] == [None]
    assert sorted(error["current_outputs"]) == ["1", "2"]
    assert all(isinstance(line, str) for line in error["traceback"])


def test_outputs_of_nodes_that_ran_before_the_error_are_listed(server: Server) -> None:
    graph = images_graph(fresh_prefix("before"), batch=1)
    outside = {"images": ["1", 0], "filename_prefix": "../../outside/of-it"}
    graph["9"] = {"class_type": "SaveImage", "inputs": outside}
    entry = server.finish(graph)
    assert entry["status"]["status_str"] == "error"
    assert entry["outputs"].keys() <= {"2"}


@pytest.mark.parametrize("by_id", [True, False])
def test_an_interrupted_prompt_is_an_error_that_says_so(server: Server, by_id: bool) -> None:
    prompt_id = server.submit(long_graph(server))
    server.wait_until_running(prompt_id)
    body = {"prompt_id": prompt_id} if by_id else None
    assert server.post("/interrupt", body).status_code == 200
    entry = server.wait_for_end(prompt_id)
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    assert message_names(entry)[-1] == "execution_interrupted"
    told = entry["status"]["messages"][-1][1]
    assert told.keys() == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}


def test_an_interrupt_for_another_prompt_is_ignored(server: Server) -> None:
    graph = long_graph(server)
    prompt_id = server.submit(graph)
    server.wait_until_running(prompt_id)
    waiting = server.submit(images_graph(fresh_prefix("waiting")))
    for other in (waiting, "unknown"):
        assert server.post("/interrupt", {"prompt_id": other}).status_code == 200
    assert [item[1] for item in server.queue()[0]] == [prompt_id]
    server.post("/interrupt", {"prompt_id": prompt_id})
    assert server.wait_for_end(waiting)["status"]["status_str"] == "success"


def test_an_interrupt_of_nothing_does_not_hit_the_next_prompt(server: Server) -> None:
    server.post("/interrupt")
    entry = server.finish(images_graph(fresh_prefix("after")))
    assert entry["status"]["status_str"] == "success"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 404),
        ({"filename": ""}, 400),
        ({"filename": "/etc/hostname"}, 400),
        ({"filename": "../../etc/hostname"}, 400),
        ({"filename": "hostname", "subfolder": "../../../../etc"}, 403),
        ({"filename": "hostname", "subfolder": "/etc"}, 403),
        ({"filename": "no-such-file.png"}, 404),
    ],
)
def test_view_stays_inside_the_output_directory(
    server: Server, query: dict[str, str], status: int
) -> None:
    assert server.get("/view", **query).status_code == status
