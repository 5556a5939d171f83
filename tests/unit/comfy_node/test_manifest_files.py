"""The folder of the manifests: on full and read-only disks, and when it grows old."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from comfy_node import manifest_files
from comfy_node.contract import MANIFEST_KEEP_S
from comfy_node.hooks import install
from comfy_node.manifest_files import STALE_S, ManifestFolder
from comfy_node.pack import Pack
from tests.waiting import PATIENCE_S

from .conftest import FakePromptServer, listed, read_manifest, settle

NOW = 1_800_000_000.0
NEVER = threading.Event()


@pytest.fixture
def folder(output: Path) -> ManifestFolder:
    return ManifestFolder(lambda: str(output))


def names(output: Path) -> list[str]:
    return sorted(path.name for path in (output / ".reconciler").iterdir())


def aged(path: Path, age_s: float, content: bytes = b'{"format":1}') -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (NOW - age_s, NOW - age_s))


def test_the_later_manifest_of_an_id_replaces_the_earlier(
    folder: ManifestFolder, output: Path
) -> None:
    first = folder.write("p1", b"first")
    folder.write("p1", b"second")

    assert folder.rewrite(first, b"first with digests") is None
    assert (output / ".reconciler" / "p1.json").read_bytes() == b"second"
    assert names(output) == ["p1.json"]


def test_a_folder_that_another_comfyui_makes_meanwhile_is_used(
    folder: ManifestFolder, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def come_second(path: str) -> None:
        mkdir(path)
        mkdir(path)

    monkeypatch.setattr(os, "mkdir", come_second)
    folder.write("p1", b"first")

    assert names(output) == ["p1.json"]


def test_thousands_deleted_one_by_one_all_leave_a_manifest_though_the_disk_is_slow(
    server: FakePromptServer, output: Path
) -> None:
    disk_answers = threading.Event()

    def output_directory() -> str:
        assert disk_answers.wait(PATIENCE_S)
        return str(output)

    pack = install(server, output_directory)
    assert pack is not None
    for n in range(1500):
        server.submit(f"p{n}")
        server.prompt_queue.delete_queue_item(lambda item: True)
    disk_answers.set()
    settle(pack)
    pack.close()

    assert len(names(output)) == 1500


def test_a_manifest_that_was_deleted_does_not_come_back(
    folder: ManifestFolder, output: Path
) -> None:
    written = folder.write("p1", b"first")
    os.unlink(written.path)

    assert folder.rewrite(written, b"again") is None
    assert names(output) == []


def test_a_manifest_is_rewritten_more_than_once(folder: ManifestFolder, output: Path) -> None:
    written = folder.write("p1", b"first")
    second = folder.rewrite(written, b"second")
    assert second is not None
    assert folder.rewrite(second, b"third") is not None
    assert folder.rewrite(written, b"fourth") is None
    assert (output / ".reconciler" / "p1.json").read_bytes() == b"third"


def test_everybody_may_read_a_manifest_whom_the_umask_lets(
    folder: ManifestFolder, output: Path
) -> None:
    before = os.umask(0o022)
    try:
        folder.write("p1", b"x")
    finally:
        os.umask(before)

    assert (output / ".reconciler" / "p1.json").stat().st_mode & 0o777 == 0o644


def test_an_output_directory_that_is_absent_is_not_made(tmp_path: Path) -> None:
    folder = ManifestFolder(lambda: str(tmp_path / "unmounted"))

    with pytest.raises(FileNotFoundError):
        folder.write("p1", b"x")
    assert folder.real_root == str(tmp_path / "unmounted")
    assert list(tmp_path.iterdir()) == []


def test_without_an_output_directory_prompts_run_and_one_line_tells(
    server: FakePromptServer, pack: Pack, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output.rmdir()

    server.run("p1", listed("a.png"))
    server.run("p2", listed("a.png"))
    settle(pack)

    assert list(server.prompt_queue.history) == ["p1", "p2"]
    assert [record.exc_info for record in caplog.records] == [None]
    assert "no manifests can be written" in caplog.text


def test_an_output_directory_that_is_moved_is_found_where_it_is(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    link = tmp_path / "output"
    link.symlink_to("old")
    folder = ManifestFolder(lambda: str(link))
    assert folder.real_root == os.path.realpath(tmp_path / "old")

    link.unlink()
    link.symlink_to("new")

    assert folder.real_root == os.path.realpath(tmp_path / "new")


class FullDisk:
    """`os.replace` on a disk that is full, until it is not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self._replace = os.replace
        monkeypatch.setattr(manifest_files.os, "replace", self)

    def __call__(self, source: Any, target: Any) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._replace(source, target)


def test_a_full_disk_is_told_once_harms_nothing_and_is_tried_again(
    server: FakePromptServer,
    pack: Pack,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = FullDisk(monkeypatch)
    server.run("p1")
    server.run("p2")
    server.submit("p3")
    server.prompt_queue.wipe_queue()
    settle(pack)
    assert names(output) == [], "no temporary file is left either"
    disk.full = False
    server.run("p4")

    (line,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "No space left" in line.getMessage()
    assert line.exc_info is None
    assert read_manifest(output, "p4")["kind"] == "success"
    ended = [data["prompt_id"] for name, data in server.own_events() if name == "end"]
    assert ended[:3] == ["p1", "p2", "p3"], "watchers are told all the same"


def test_a_disk_that_fills_up_meanwhile_leaves_a_manifest_without_digests(
    server: FakePromptServer,
    pack: Pack,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pack.folder, "rewrite", full)
    (output / "a.png").write_bytes(b"pixels")
    server.run("p1", listed("a.png"))
    server.run("p2", listed("a.png"))
    settle(pack)

    assert read_manifest(output)["outputs"][0]["digest"] is None
    assert [record.exc_info for record in caplog.records] == [None]
    assert "without digests" in caplog.text


def test_a_file_in_place_of_the_folder_harms_nothing(
    server: FakePromptServer, pack: Pack, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (output / ".reconciler").write_text("a file")

    server.run("p1")
    server.run("p2")
    settle(pack)

    assert list(server.prompt_queue.history) == ["p1", "p2"]
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line for line in told if "no manifests can be written" in line] == told[:1]


def test_what_is_too_old_is_deleted_and_nothing_else(folder: ManifestFolder, output: Path) -> None:
    manifests = output / ".reconciler"
    old, young = MANIFEST_KEEP_S + 1, MANIFEST_KEEP_S - 1
    aged(manifests / "old.json", old)
    aged(manifests / "young.json", young)
    aged(manifests / "foreign.json", old, b'{"name": "package"}')
    aged(manifests / "notes.txt", old)
    aged(manifests / ".p1.json.0123abcd.tmp", STALE_S + 1)
    aged(manifests / ".p2.json.0123abcd.tmp", STALE_S - 1)
    aged(manifests / ".other.tmp", STALE_S + 1)
    (manifests / "folder.json").mkdir()
    (manifests / "link.json").symlink_to(manifests / "young.json")

    assert folder.prune(NOW, NEVER) == 2

    assert names(output) == [
        *(".other.tmp", ".p2.json.0123abcd.tmp", "folder.json", "foreign.json"),
        *("link.json", "notes.txt", "young.json"),
    ]


def test_what_is_too_many_is_deleted_the_oldest_first(
    folder: ManifestFolder, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_files, "MANIFEST_KEEP_COUNT", 3)
    for n in range(1000):
        aged(output / ".reconciler" / f"p{n:04}.json", n)

    assert folder.prune(NOW, NEVER) == 997
    assert names(output) == ["p0000.json", "p0001.json", "p0002.json"]


def test_a_pack_that_closes_stops_pruning(folder: ManifestFolder, output: Path) -> None:
    aged(output / ".reconciler" / "old.json", MANIFEST_KEEP_S + 1)
    stop = threading.Event()
    stop.set()

    assert folder.prune(NOW, stop) == 0


def test_nothing_is_deleted_through_a_link_to_another_folder(
    folder: ManifestFolder, output: Path, tmp_path: Path
) -> None:
    aged(tmp_path / "elsewhere" / "old.json", MANIFEST_KEEP_S + 1)
    (output / ".reconciler").symlink_to(tmp_path / "elsewhere")

    assert folder.prune(NOW, NEVER) == 0
    assert (tmp_path / "elsewhere" / "old.json").exists()


def test_the_first_prompt_prunes_in_the_background(
    server: FakePromptServer, pack: Pack, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = output / ".reconciler" / "old.json"
    path.parent.mkdir()
    path.write_bytes(b'{"format":1}')
    os.utime(path, (1, 1))

    with caplog.at_level("INFO"):
        server.run()
        settle(pack)

    assert names(output) == ["p1.json"]
    assert "deleted 1 old manifests" in caplog.text
