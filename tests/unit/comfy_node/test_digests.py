"""Digests: which, of what, and when not."""

from __future__ import annotations

import hashlib
import importlib
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from comfy_node import digests
from comfy_node.digests import digest_of, new_digest
from comfy_node.manifest_files import ManifestFolder
from comfy_node.pack import Pack

from .conftest import FakePromptServer, listed, read_manifest, settle

NEVER = threading.Event()


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Leaves of the optional modules those that are named, as stand-ins for sha256."""
    present: dict[str, Any] = {}

    def import_module(name: str) -> Any:
        if name not in present:
            raise ImportError(name)
        return present[name]

    monkeypatch.setattr(importlib, "import_module", import_module)
    return present


def test_the_fastest_that_is_there_is_taken(only: dict[str, Any]) -> None:
    assert new_digest()[0] == "sha256"
    only["blake3"] = SimpleNamespace(blake3=hashlib.sha1)
    assert new_digest()[0] == "blake3"
    only["xxhash"] = SimpleNamespace(xxh3_128=hashlib.md5)
    assert new_digest()[0] == "xxh3_128"
    only["xxhash"] = SimpleNamespace()  # a version without xxh3
    assert new_digest()[0] == "blake3"


def test_a_file_is_digested_in_chunks(
    only: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "CHUNK_BYTES", 1000)
    content = os.urandom(3500)
    (tmp_path / "a").write_bytes(content)
    found = os.stat(tmp_path / "a")

    digest = digest_of(str(tmp_path / "a"), 3500, found.st_mtime_ns, NEVER)

    assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_file_that_is_or_becomes_another_has_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    mtime_ns = os.stat(path).st_mtime_ns

    class Grows(threading.Event):
        def is_set(self) -> bool:
            with path.open("ab") as file:
                file.write(b"5")
            return False

    assert digest_of(str(path), 5, mtime_ns, NEVER) is None
    assert digest_of(str(path), 4, mtime_ns + 1, NEVER) is None
    assert digest_of(str(tmp_path / "absent"), 4, mtime_ns, NEVER) is None
    assert digest_of(str(path), 4, mtime_ns, Grows()) is None


def test_a_pack_that_closes_does_not_finish_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    stop = threading.Event()
    stop.set()

    assert digest_of(str(path), 4, os.stat(path).st_mtime_ns, stop) is None


def test_the_manifest_is_written_again_with_digests(
    server: FakePromptServer, pack: Pack, output: Path, only: dict[str, Any]
) -> None:
    (output / "a.png").write_bytes(b"pixels")
    server.run("p1", listed("a.png", "absent.png"))
    settle(pack)

    told = read_manifest(output)
    expected = f"sha256:{hashlib.sha256(b'pixels').hexdigest()}"
    assert [one["digest"] for one in told["outputs"]] == [expected, None]
    assert sorted(path.name for path in (output / ".reconciler").iterdir()) == ["p1.json"]


def test_a_file_that_a_later_prompt_lists_again_is_read_once(
    server: FakePromptServer, pack: Pack, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counting(path: str, *rest: Any) -> str:
        asked.append(path)
        return "sha256:00"

    monkeypatch.setattr(digests, "digest_of", counting)
    monkeypatch.setattr(digests, "_REMEMBERED", 1)
    for name in ("a.png", "b.png"):
        (output / name).write_bytes(b"pixels")
    for n, name in enumerate(("a.png", "a.png", "b.png", "a.png")):
        server.run(f"p{n}", listed(name))
        settle(pack)

    assert [Path(path).name for path in asked] == ["a.png", "b.png", "a.png"]
    assert read_manifest(output, "p1")["outputs"][0]["digest"] == "sha256:00"


def test_outputs_and_manifest_are_synced_and_the_folder_once_for_many(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(digests, "sync", lambda path: synced.append(Path(path).name))
    (output / "a.png").write_bytes(b"pixels")
    folder = ManifestFolder(lambda: str(output))
    last = iter([False, True])
    digester = digests.Digester(folder, NEVER, lambda: next(last))
    found = os.stat(output / "a.png")
    told = {"filename": "a.png", "subfolder": "", "type": "output", "digest": None}
    told |= {"size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}

    digester.finish({"outputs": [told]}, folder.write("p1", b"{}"))
    digester.finish({"outputs": None}, folder.write("p2", b"{}"))

    assert synced == ["a.png", "p2.json", ".reconciler"]
    assert "digest" in (output / ".reconciler" / "p1.json").read_text()


def test_what_can_not_be_synced_is_passed_over(tmp_path: Path) -> None:
    from comfy_node.manifest_files import sync

    sync(str(tmp_path / "absent"))
    sync(str(tmp_path))
