"""What a manifest says: of any status and result that ComfyUI or another pack may hand over."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfy_node import manifest
from comfy_node.contract import KINDS
from comfy_node.manifest import Item, encode, outputs_of
from comfy_node.manifest_files import ManifestFolder
from comfy_node.pack import Pack
from reconciler.comfyui.manifest import parse_manifest
from reconciler.simulator.queue import ExecutionStatus

from .conftest import GRAPH, FakePromptServer, listed, read_manifest, settle

ERROR = {
    "prompt_id": "p1",
    "node_id": "1",
    "node_type": "KSampler",
    "exception_type": "torch.OutOfMemoryError",
    "exception_message": "\n CUDA out of memory.\x00 Tried to allocate 2 GiB\nsecond line",
    "traceback": ["secret"],
}


def status(word: str, *messages: Any) -> ExecutionStatus:
    return ExecutionStatus(word, word == "success", list(messages))


def test_the_kind_is_told_by_word_and_message() -> None:
    interrupted = status("error", ("execution_interrupted", {}))

    assert manifest.kind_of(status("success")) == "success"
    assert manifest.kind_of(status("error")) == "error"
    assert manifest.kind_of(interrupted) == "interrupted"
    assert manifest.kind_of(interrupted._asdict()) == "interrupted"
    assert manifest.kind_of(None) is None


def test_an_error_is_its_first_line_without_control_characters() -> None:
    assert manifest.error_of(status("error", ["execution_error", ERROR])) == {
        "node_id": "1",
        "node_type": "KSampler",
        "exception_type": "torch.OutOfMemoryError",
        "message": "CUDA out of memory.  Tried to allocate 2 GiB",
    }


def test_an_error_s_texts_are_bounded_and_others_are_none() -> None:
    long = {**ERROR, "exception_message": "x" * 10**6, "node_id": 7, "exception_type": None}

    told = manifest.error_of(status("error", ("execution_error", long)))

    assert told is not None
    assert told["message"] == "x" * 500
    assert (told["node_id"], told["exception_type"]) == (None, None)


def test_errors_cached_nodes_and_interrupts_reach_the_manifest(
    server: FakePromptServer, pack: Pack, output: Path
) -> None:
    cached = ("execution_cached", {"nodes": ["1", 5], "timestamp": 1})
    endings: dict[str, tuple[Any, ...]] = {
        "failed": ("error", ("execution_error", ERROR), cached),
        "stopped": ("error", ("execution_interrupted", {"node_id": "1"})),
    }
    for prompt_id, told in endings.items():
        server.submit(prompt_id)
        _, item_id = server.take()
        server.put_away(item_id, None, *told)

    failed, stopped = read_manifest(output, "failed"), read_manifest(output, "stopped")
    assert (failed["kind"], stopped["kind"]) == ("error", "interrupted")
    assert failed["error"]["exception_type"] == "torch.OutOfMemoryError"
    assert failed["cached_nodes"] == ["1"]
    assert (stopped["error"], failed["outputs"]) == (None, [])
    assert b"secret" not in (output / ".reconciler" / "failed.json").read_bytes()


def test_every_key_of_the_contract_is_there_and_the_reader_takes_it(
    server: FakePromptServer, pack: Pack, output: Path
) -> None:
    (output / "a.png").write_bytes(b"pixels")
    server.run("done", listed("a.png", "b.png", kind="gifs"), job_id=42)
    server.submit("gone", job_id=42)
    server.prompt_queue.wipe_queue()
    settle(pack)

    for prompt_id in ("done", "gone"):
        told = read_manifest(output, prompt_id)
        assert set(told) == {
            *("format", "pack", "boot_id", "prompt_id", "job_id", "job_id_from"),
            *("first_prompt_id", "kind", "created_at", "started_at", "ended_at", "error"),
            *("outputs", "nodes", "cached_nodes", "output_nodes", "graph_nodes"),
            *("workflow", "sizes"),
            *("expected_frames", "followed_by"),
        }
        assert (told["output_nodes"], told["graph_nodes"]) == (["2"], 2)
        read = parse_manifest((output / ".reconciler" / f"{prompt_id}.json").read_bytes())
        assert (read.ended.prompt.prompt_id, read.boot_id) == (prompt_id, pack.boot_id)


def test_the_stamp_of_comfyui_itself_is_when_a_prompt_was_submitted(
    server: FakePromptServer, pack: Pack, output: Path
) -> None:
    server.run("stamped", create_time=1_795_501_207_147)
    server.run("nonsense", create_time=True)

    assert read_manifest(output, "stamped")["created_at"] == 1_795_501_207.147
    assert read_manifest(output, "nonsense")["created_at"] > 1_700_000_000


def test_outputs_are_walked_under_every_key(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.mp4", "sub/b.png"):
        (tmp_path / name).write_bytes(b"1234")
    result = {
        "outputs": {
            "5": {"gifs": [{"filename": "a.mp4", "subfolder": "", "type": "output"}]},
            "6": {
                "text": ["a text"],
                "animated": (True,),
                "other": [{"filename": "b.png", "subfolder": "sub", "type": "output"}],
                "images": [{"filename": "a.mp4", "type": "temp"}, {"no": "file"}],
            },
        }
    }

    found = outputs_of(result, str(tmp_path))

    assert found is not None
    told = [(one["node_id"], one["kind"], one["filename"], one["size_bytes"]) for one in found]
    assert told == [
        ("5", "gifs", "a.mp4", 4),
        ("6", "other", "b.png", 4),
        ("6", "images", "a.mp4", None),
    ]
    assert found[0]["mtime_ns"] == os.stat(tmp_path / "a.mp4").st_mtime_ns


@pytest.mark.parametrize(
    ("subfolder", "filename"),
    [
        ("", "../secret"),
        ("..", "secret"),
        ("../output/..", "secret"),
        ("", "{outside}/secret"),
        ("{outside}", "secret"),
        ("link", "secret"),
        ("", "linked"),
        ("", "dangling"),
        ("", "folder"),
        ("", "pipe"),
        ("", ""),
        ("", "."),
        ("", ".."),
        ("", "a\0b"),
        ("a\0b", "c"),
        ("x" * 5000, "secret"),
        (None, "absent"),
    ],
)
def test_no_name_leads_out_of_the_output_directory_or_to_what_is_no_file(
    subfolder: Any, filename: str, output: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"outside")
    (output / "link").symlink_to(tmp_path)
    (output / "linked").symlink_to(tmp_path / "secret")
    (output / "dangling").symlink_to(output / "nowhere")
    (output / "folder").mkdir()
    os.mkfifo(output / "pipe")
    entry = {"filename": filename.replace("{outside}", str(tmp_path)), "type": "output"}
    entry["subfolder"] = subfolder.replace("{outside}", str(tmp_path)) if subfolder else subfolder

    found = outputs_of({"outputs": {"2": {"images": [entry]}}}, str(output))

    assert found is not None
    (told,) = found
    assert told["filename"] == entry["filename"]
    assert (told["size_bytes"], told["mtime_ns"]) == (None, None)


def test_links_inside_the_output_directory_are_followed(output: Path, tmp_path: Path) -> None:
    (output / "real").mkdir()
    (output / "real" / "a.png").write_bytes(b"1234")
    (output / "link").symlink_to("real")
    (output / "b.png").symlink_to("real/a.png")
    (tmp_path / "elsewhere").symlink_to(output)
    files = [
        {"filename": "a.png", "subfolder": "link", "type": "output"},
        {"filename": "b.png", "subfolder": "", "type": "output"},
    ]

    folder = ManifestFolder(lambda: str(tmp_path / "elsewhere"))
    found = outputs_of({"outputs": {"2": {"images": files}}}, folder.real_root)

    assert folder.real_root == os.path.realpath(output)
    assert found is not None
    assert [one["size_bytes"] for one in found] == [4, 4]


@pytest.mark.parametrize("result", [None, [], {}, {"outputs": None}, {"outputs": [1]}])
def test_a_result_that_does_not_tell_its_outputs_leaves_them_unknown(
    result: Any, tmp_path: Path
) -> None:
    assert outputs_of(result, str(tmp_path)) is None


def test_a_manifest_is_bounded_the_outputs_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MAX_MANIFEST_BYTES", 2000)
    small = manifest.base(Item.of((0, "p1", GRAPH, {}, ["2"])), "boot", "success", 1.0)
    files = {**small, "outputs": [{"filename": "x" * 3000}]}
    nodes = {**files, "nodes": {"1": {"type": "x" * 3000}}, "output_nodes": ["x" * 3000]}

    assert json.loads(encode(small)) == small
    assert json.loads(encode(files)) == {**small, "outputs": None}
    assert len(encode(nodes)) <= 2000
    assert json.loads(encode(nodes))["outputs"] is None
    assert json.loads(encode(nodes))["nodes"] is None


def test_names_that_no_text_encoding_knows_survive(output: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    (output / name).write_bytes(b"12")

    found = outputs_of({"outputs": listed(name)}, str(output))
    told = manifest.base(Item.of((0, "p1", GRAPH, {}, [])), "boot", "success", 1.0)
    back = json.loads(encode({**told, "outputs": found}))

    assert back["outputs"][0]["filename"] == name
    assert back["outputs"][0]["size_bytes"] == 2


@pytest.mark.parametrize("entry", [None, 5, [], (0,), (0, 5, {}), (0, None, {}, {}, [])])
def test_an_entry_without_a_prompt_id_is_no_item(entry: Any) -> None:
    with pytest.raises(TypeError):
        Item.of(entry)


def test_an_item_is_what_is_known_of_its_entry() -> None:
    assert Item.of((float("nan"), "p1")) == Item(None, "p1", {}, {}, [])
    assert Item.of((True, "p1", [], 3, ("2", 4))).output_nodes == ["2"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(st.sampled_from(["execution_error", "execution_cached"]), inner)
        | st.dictionaries(
            st.sampled_from(
                ["outputs", "images", "filename", "subfolder", "type", "nodes", "messages"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(anything, anything, st.sampled_from(["success", "error", "x", None, 5]))
def test_any_status_and_result_make_a_manifest_that_is_json(
    result: Any, messages: Any, word: Any
) -> None:
    told = SimpleNamespace(status_str=word, messages=messages)
    item = Item.of((0, "p1", GRAPH, {}, ["2"]))

    kind = manifest.kind_of(told)
    whole = {
        **manifest.base(item, "boot", kind or "error", 1.0),
        "error": manifest.error_of(told),
        "outputs": outputs_of(result, "/nonexistent"),
        "cached_nodes": manifest.cached_nodes(told),
    }

    assert kind is None or kind in KINDS
    assert json.loads(encode(whole)) == whole
