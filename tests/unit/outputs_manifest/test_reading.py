"""The folder of the manifests: read once, bounded, and whatever lies there harms nobody."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from comfy_node.contract import MANIFEST_DIR, MAX_MANIFEST_BYTES, manifest_name
from reconciler.outputs.scan import is_manifest, is_wanted
from reconciler.reconcile import manifests as module
from reconciler.reconcile.manifests import Manifests
from tests.unit.outputs_manifest.told import PROMPT, told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / MANIFEST_DIR
    made.mkdir()
    return made


@pytest.fixture
def manifests(tmp_path: Path) -> Manifests:
    return Manifests("gpu", tmp_path)


def put(folder: Path, prompt_id: str = PROMPT, *, at: float | None = None, **more: object) -> Path:
    path = folder / manifest_name(prompt_id)
    (folder / ".new").write_bytes(told(prompt_id=prompt_id, **more))
    if at is not None:
        os.utime(folder / ".new", (at, at))
    os.replace(folder / ".new", path)
    return path


def found(manifests: Manifests, *job_ids: str) -> list[str]:
    return [ended.prompt.prompt_id for ended in manifests.carrying(job_ids)]


def test_none_is_there(manifests: Manifests, tmp_path: Path) -> None:
    assert manifests.of(PROMPT) is None
    manifests.search(0.0)
    (tmp_path / MANIFEST_DIR).write_bytes(b"a file")
    assert manifests.of(PROMPT) is None
    manifests.search(0.0)


@pytest.mark.parametrize("prompt_id", [PROMPT, "../../etc/passwd", "a b", "é"])
def test_by_the_id_whatever_it_is(folder: Path, manifests: Manifests, prompt_id: str) -> None:
    put(folder, prompt_id)
    manifest = manifests.of(prompt_id)
    assert manifest is not None
    assert manifest.ended.prompt.prompt_id == prompt_id


def test_it_is_read_once_and_again_when_it_changes(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder)
    first = manifests.of(PROMPT)
    with monkeypatch.context() as patch:
        patch.setattr(module, "parse_manifest", None)
        assert manifests.of(PROMPT) is first
    put(folder, expected_frames=7)
    again = manifests.of(PROMPT)
    assert again is not None
    assert again.ended.ending.expected_frames == 7
    (folder / manifest_name(PROMPT)).unlink()
    assert manifests.of(PROMPT) is None


def test_a_manifest_under_anothers_name_is_none(folder: Path, manifests: Manifests) -> None:
    put(folder, "other").rename(folder / manifest_name(PROMPT))
    assert manifests.of(PROMPT) is None
    manifests.search(0.0)
    assert found(manifests, "42") == []


def test_a_link_is_not_followed(folder: Path, manifests: Manifests, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_bytes(told())
    (folder / manifest_name(PROMPT)).symlink_to(elsewhere)
    assert manifests.of(PROMPT) is None


def test_nor_one_in_place_of_the_folder(tmp_path: Path, manifests: Manifests) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    put(elsewhere)
    (tmp_path / MANIFEST_DIR).symlink_to(elsewhere)
    assert manifests.of(PROMPT) is None


def test_neither_a_pipe_nor_a_folder_holds_anybody_up(folder: Path, manifests: Manifests) -> None:
    os.mkfifo(folder / manifest_name(PROMPT))
    (folder / manifest_name("other")).mkdir()
    assert manifests.of(PROMPT) is None
    assert manifests.of("other") is None
    manifests.search(0.0)
    assert found(manifests, "42") == []


def test_what_is_too_large_is_not_read(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / manifest_name(PROMPT)
    with path.open("wb") as file:
        file.write(told())
        file.truncate(MAX_MANIFEST_BYTES + 1)
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "read", None)
        assert manifests.of(PROMPT) is None
    path.write_bytes(told() + b" " * (MAX_MANIFEST_BYTES - len(told())))
    assert manifests.of(PROMPT) is not None


def test_each_kind_of_trouble_is_told_once(folder: Path, manifests: Manifests) -> None:
    with capture_logs() as logs:
        for n in range(5):
            (folder / f"a{n}.json").write_bytes(b"{")
            (folder / f"b{n}.json").write_bytes(told(format=n + 2))
            (folder / f"c{n}.json").symlink_to("nowhere")
            for name in ("a", "b", "c"):
                assert manifests.of(f"{name}{n}") is None
    assert sorted(line["manifest"] for line in logs) == ["a0.json", "b0.json", "c0.json"]


def test_trouble_of_the_storage_passes(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder)

    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "read", broken)
        assert manifests.of(PROMPT) is None
    assert manifests.of(PROMPT) is not None


# Those that carry a job's id.


def test_a_search_finds_what_is_young_enough(folder: Path, manifests: Manifests) -> None:
    put(folder, "old", at=1000.0)
    put(folder, "new", at=2000.0)
    put(folder, "another", at=2000.0, job_id="43")
    put(folder, "nobodys", at=2000.0, job_id=None)
    manifests.search(1500.0)
    assert found(manifests, "42") == ["new"]
    assert found(manifests, "43", "42") == ["another", "new"]
    assert found(manifests) == found(manifests, "44") == []


def test_what_was_found_before_is_not_asked_for_again(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "old", at=1000.0)
    put(folder, "one", at=2000.0)
    manifests.search(1500.0)
    with monkeypatch.context() as patch:
        patch.setattr(manifests, "_read", None)
        manifests.search(1500.0)
    put(folder, "one", at=2000.0, job_id="50")
    put(folder, "two", at=2000.0)
    manifests.search(1500.0)
    assert found(manifests, "42") == ["two"]
    assert found(manifests, "50") == ["one"]


def test_the_newest_first_and_the_rest_later(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        put(folder, f"p{n}", at=1000.0 + n)
    monkeypatch.setattr(module, "SEARCH_FILES", 2)
    expected = ["p4", "p3", "p2", "p1", "p0"]
    for most in (2, 4, 5):
        manifests.search(0.0)
        assert found(manifests, "42") == expected[:most]


def test_storage_that_is_slow_is_searched_bit_by_bit(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it would never be answered in time, and each search would begin anew."""
    for number in range(30):
        put(folder, f"old{number}", at=100.0)
    put(folder, at=2000.0)
    clock = iter(range(10_000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock) * 0.25)
    storage = manifests._storage
    monkeypatch.setattr(storage, "ask", lambda question: question())
    sizes = []
    for _ in range(6):
        manifests.search(1500.0)
        sizes.append(len(manifests._noted))
    assert sizes[0] < 10
    assert sizes[-1] == 31
    assert found(manifests, "42") == [PROMPT]


def test_a_search_reads_no_more_than_so_many_bytes(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        put(folder, f"p{n}", at=1000.0 + n)
    monkeypatch.setattr(module, "SEARCH_BYTES", int(2.5 * len(told(prompt_id="p0"))))
    manifests.search(0.0)
    assert found(manifests, "42") == ["p2", "p1"]


def test_what_is_being_written_is_none(folder: Path, manifests: Manifests) -> None:
    (folder / ".p.json").write_bytes(told(prompt_id="p"))
    (folder / "p.json.tmp").write_bytes(told(prompt_id="p"))
    manifests.search(0.0)
    manifests.hear(".p.json")
    assert found(manifests, "42") == []


def test_one_that_was_heard_of(folder: Path, manifests: Manifests) -> None:
    name = put(folder).name
    assert found(manifests, "42") == []
    hearing = threading.Thread(target=manifests.hear, args=(name,))
    hearing.start()
    hearing.join()
    assert found(manifests, "42") == [PROMPT]
    (ended,) = manifests.carrying(["42"])
    assert ended.ending.files == (), "kept small: there may be thousands"


def test_what_is_heard_is_bounded(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_HEARD", 2)
    for n in range(4):
        manifests.hear(put(folder, f"p{n}").name)
    assert found(manifests, "42") == ["p0", "p1"]


def test_what_was_heard_is_forgotten_with_the_pack(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every prompt is heard of, for months, and no search ever begins anew."""
    monkeypatch.setattr(module, "MANIFEST_KEEP_COUNT", 2)
    for n in range(20):
        manifests.hear(put(folder, f"p{n}", job_id=str(n)).name)
        assert found(manifests, str(n)) == [f"p{n}"]
    jobs = [str(n) for n in range(20)]
    assert found(manifests, *jobs) == ["p16", "p17", "p18", "p19"]
    assert len(manifests._by_job) == 4


def test_memory_is_bounded(
    folder: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    monkeypatch.setattr(module, "MANIFEST_KEEP_COUNT", 4)
    for n in range(20):
        put(folder, f"p{n}")
        manifests.search(0.0)
    assert len(manifests._kept) <= 3
    assert len(manifests._noted) <= 9
    assert len(found(manifests, "42")) <= 9


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".reconciler/p.json", True),
        (".reconciler/.p.json", False),
        (".reconciler/p.json.tmp", False),
        (".reconciler/a/p.json", False),
        ("a/.reconciler/p.json", False),
        ("p.json", False),
        (".reconciler", False),
    ],
)
def test_names_of_manifests(name: str, expected: bool) -> None:
    assert is_manifest(name) is expected
    assert not is_wanted(name), "never an output"
