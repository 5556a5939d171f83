"""Pictures made in the background: once, one at a time, bounded, and never before a verdict."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from reconciler.core.evidence import FileState
from reconciler.errors import InspectionError
from reconciler.outputs.limits import Limits
from reconciler.outputs.picture import PictureKind, PictureOrder
from reconciler.outputs.pool import Inspectors
from reconciler.previews import maker as module
from reconciler.previews.cache import PictureCache
from reconciler.previews.known_files import KnownFiles
from reconciler.previews.maker import PictureMaker
from reconciler.previews.refusals import Gone, NotMade, Replaced, TooMany
from reconciler.store.output_ids import KnownOutput
from tests.unit.outputs_inspect.conftest import studio
from tests.waiting import wait_for

__all__ = ["studio"]

SHEET = PictureOrder(PictureKind.SHEET, 12, 0.5, 12, 64)


class Bench:
    """Files of one directory, and what makes pictures of them; counts what is decoded."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "output"
        self.folder.mkdir()
        self.cache = PictureCache(folder / "cache", 10**9)
        self.waits, self.made, self.at_once = threading.Event(), 0, 0
        self.gate = threading.Event()
        self.gate.set()
        original = Inspectors.picture
        lock = threading.Lock()
        now: list[int] = []

        def counted(pool: Inspectors, file: int, order: PictureOrder) -> bytes:
            with lock:
                now.append(file)
                self.made += 1
                self.at_once = max(self.at_once, len(now))
            self.gate.wait(30)
            try:
                return original(pool, file, order)
            finally:
                with lock:
                    now.pop()

        monkeypatch.setattr(Inspectors, "picture", counted)
        self.maker = PictureMaker(
            KnownFiles([self.folder]),
            self.cache,
            Limits(wall_s=20.0),
            most_waiting=3,
            stands_back=self.waits.is_set,
        )

    def put(self, source: Path, name: str) -> KnownOutput:
        path = self.folder / name
        shutil.copy(source, path)
        facts = path.stat()
        identity = (facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_dev)
        return KnownOutput(name, path, "gpu", None, *identity, FileState.SOUND, {}, has_space=False)

    def ask(self, output: KnownOutput) -> bytes | None:
        return self.maker.ask(output.id, output, SHEET)

    def made_of(self, output: KnownOutput) -> bytes:
        data = wait_for(lambda: self.ask(output), "the picture")
        assert data is not None
        return data


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(tmp_path, monkeypatch)
    with closing(bench.maker):
        yield bench
        bench.gate.set()


@pytest.fixture
def film(bench: Bench, studio: Callable[[str], Path]) -> KnownOutput:
    return bench.put(studio("h264.mp4"), "film.mp4")


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "previews"]


def test_asked_for_often_and_made_once(bench: Bench, film: KnownOutput) -> None:
    assert [bench.ask(film) for _ in range(5)] == [None] * 5
    assert bench.made_of(film) == bench.made_of(film)
    assert bench.made == 1


def test_one_at_a_time_and_so_many_wait(bench: Bench, film: KnownOutput) -> None:
    films = [bench.put(film.path, f"{n}.mp4") for n in range(4)]
    bench.gate.clear()
    for each in films[:3]:
        assert bench.ask(each) is None
    with pytest.raises(TooMany, match="ask again"):
        bench.ask(films[3])
    assert bench.ask(films[0]) is None, "that one is among them"
    bench.gate.set()
    for each in films:
        wait_for(lambda: len(bench.maker._tasks) < 3, "room")
        bench.made_of(each)
    assert bench.at_once == 1


def test_it_stands_back_while_a_verdict_waits(bench: Bench, film: KnownOutput) -> None:
    bench.waits.set()
    assert bench.ask(film) is None
    wait_for(threads, "its thread")
    assert bench.ask(film) is None
    assert bench.made == 0
    bench.waits.clear()
    bench.made_of(film)


def test_without_work_it_is_gone_and_comes_again(
    bench: Bench, film: KnownOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = set(psutil.Process().children())  # those of other tests in this process
    monkeypatch.setattr(module, "IDLE_S", 0.1)
    bench.made_of(film)
    wait_for(lambda: not threads(), "its thread's end")
    wait_for(lambda: set(psutil.Process().children()) <= others, "the decoder's end")
    bench.made_of(bench.put(film.path, "second.mp4"))


def test_a_file_that_is_gone_or_another_is_told_at_once(bench: Bench, film: KnownOutput) -> None:
    with pytest.raises(Replaced):
        bench.ask(replace(film, mtime_ns=1))
    with pytest.raises(Replaced):
        bench.ask(replace(film, inode=1))
    film.path.unlink()
    with pytest.raises(Gone):
        bench.ask(film)
    assert bench.made == 0


def test_a_file_that_changes_while_it_waits_is_not_shown(bench: Bench, film: KnownOutput) -> None:
    bench.gate.clear()
    first, second = bench.put(film.path, "first.mp4"), bench.put(film.path, "second.mp4")
    bench.ask(first)
    bench.ask(second)
    os.utime(second.path, ns=(1, 1))
    bench.gate.set()
    bench.made_of(first)
    wait_for(lambda: not bench.maker._tasks, "both are done")
    assert bench.cache.get(second.id) is None


def test_what_failed_is_not_tried_at_once_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_text("no film")
    text = bench.put(tmp_path / "text", "film.mp4")

    def look() -> str | None:
        try:
            bench.ask(text)
        except NotMade as error:
            return str(error)
        return None

    assert "a text, not a media file" in str(wait_for(look, "a refusal"))
    assert look()
    assert bench.made == 1
    monkeypatch.setattr(module.time, "monotonic", lambda: 1e12)
    assert bench.ask(text) is None, "later it is"


def test_a_decoder_that_crashes_takes_nothing_with_it(
    bench: Bench, film: KnownOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(pool: Inspectors, file: int, order: PictureOrder) -> bytes:
        raise InspectionError("the decoder crashed on it (signal 11)")

    with monkeypatch.context() as patch:
        patch.setattr(Inspectors, "picture", crash)
        bench.ask(film)
        wait_for(lambda: not bench.maker._tasks, "it is done")
    with pytest.raises(NotMade, match="crashed"):
        bench.ask(film)
    bench.made_of(bench.put(film.path, "second.mp4"))


def test_closing_ends_what_is_being_made(bench: Bench, film: KnownOutput) -> None:
    others = set(psutil.Process().children())
    bench.ask(film)
    bench.maker.close()
    assert threads() == []
    assert set(psutil.Process().children()) <= others
    if bench.cache.get(film.id) is None:
        with pytest.raises(TooMany):
            bench.ask(film)
