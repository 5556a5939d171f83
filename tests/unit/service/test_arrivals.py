"""Which files are inspected before anyone asks, and which growth is a sign of life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reconciler.errors import DatabaseError
from reconciler.outputs.rescans import Rescans
from reconciler.outputs.storage import Storage
from reconciler.service import arrivals as module
from reconciler.service.arrivals import Arrivals


class Book:
    """Notes which files are asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.storage = Storage(Path("/"))
        self.batches = 0
        self.broken = False

    def arrived(self, paths: Sequence[Path]) -> None:
        self.batches += 1
        if self.broken:
            raise DatabaseError("away")
        self.asked += [path.name for path in paths]


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def grown() -> list[str]:
    return []


@pytest.fixture
def arrivals(book: Book, grown: list[str], clock: Clock) -> Arrivals:
    return Arrivals(book, 1.0, on_growth=lambda: grown.append("grew"))  # type: ignore[arg-type]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_closed_file_is_inspected_at_once(arrivals: Arrivals, book: Book, tmp_path: Path) -> None:
    arrivals.note(write(tmp_path / "a.mp4", "x"), closed=True, close_will_come=True)
    arrivals.tick()
    assert book.asked == ["a.mp4"]


def test_an_open_file_waits_for_its_close_however_quiet(
    arrivals: Arrivals, book: Book, clock: Clock, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.gif", "")
    arrivals.note(path, closed=False, close_will_come=True)
    clock.now += 30.0
    arrivals.tick()
    assert book.asked == []
    arrivals.note(write(path, "whole"), closed=True, close_will_come=True)
    arrivals.tick()
    assert book.asked == ["a.gif"]


@pytest.mark.parametrize("order", [(False, True), (True, False)])
def test_hints_of_one_moment_have_no_order(
    arrivals: Arrivals, book: Book, tmp_path: Path, order: tuple[bool, bool]
) -> None:
    """A picture is made and closed at once, and the inbox hands out both in any order."""
    path = write(tmp_path / "a.png", "x")
    for closed in order:
        arrivals.note(path, closed=closed, close_will_come=True)
    arrivals.tick()
    assert book.asked == ["a.png"]


def test_polling_gives_no_close_so_quiet_has_to_do(
    arrivals: Arrivals, book: Book, clock: Clock, tmp_path: Path
) -> None:
    arrivals.note(write(tmp_path / "a.mp4", "x"), closed=False, close_will_come=False)
    arrivals.tick()
    assert book.asked == []
    assert arrivals.due_s() == 1.0
    clock.now += 1.0
    arrivals.tick()
    assert book.asked == ["a.mp4"]


def test_growth_is_told_open_or_polled(
    arrivals: Arrivals, grown: list[str], clock: Clock, tmp_path: Path
) -> None:
    for name, close_will_come in (("open.mp4", True), ("polled.mp4", False)):
        grown.clear()
        path = write(tmp_path / name, "x")
        arrivals.note(path, closed=False, close_will_come=close_will_come)
        arrivals.tick()
        assert grown == []
        write(path, "xx")
        clock.now += 0.1
        arrivals.tick()
        assert grown == ["grew"]


def test_a_close_that_was_lost_is_made_good_by_two_listings(
    arrivals: Arrivals, book: Book, clock: Clock, tmp_path: Path
) -> None:
    arrivals.note(write(tmp_path / "a.mp4", "x"), closed=False, close_will_come=True)
    arrivals.note_scan(Rescans(tmp_path).scan())
    arrivals.tick()
    assert book.asked == []
    arrivals.note_scan(Rescans(tmp_path).scan())
    clock.now += 1.0
    arrivals.tick()
    assert book.asked == ["a.mp4"]


def test_a_file_that_vanishes_is_forgotten(
    arrivals: Arrivals, book: Book, clock: Clock, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.mp4", "x")
    arrivals.note(path, closed=False, close_will_come=False)
    path.unlink()
    clock.now += 2.0
    arrivals.tick()
    assert arrivals.due_s() is None
    assert book.asked == []


def test_where_events_were_lost_an_open_file_settles_by_being_quiet(
    arrivals: Arrivals, book: Book, clock: Clock, tmp_path: Path
) -> None:
    arrivals.note(write(tmp_path / "a.mp4", "x"), closed=False, close_will_come=True)
    arrivals.tick()
    arrivals.lose_track()
    arrivals.tick()
    clock.now += 1.0
    arrivals.tick()
    assert book.asked == ["a.mp4"]


def test_a_storm_is_asked_for_in_batches(
    arrivals: Arrivals, book: Book, clock: Clock, tmp_path: Path
) -> None:
    for number in range(2500):
        (tmp_path / f"{number}.png").touch()
    arrivals.note_scan(Rescans(tmp_path).scan())
    clock.now += 1.0
    arrivals.tick()
    assert len(book.asked) == 2500
    assert book.batches == 3


def test_many_files_that_wait_are_not_looked_at_all_the_time(
    arrivals: Arrivals, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.png").touch()
    arrivals.note_scan(Rescans(tmp_path).scan())
    arrivals.tick()
    looks: list[Path] = []
    monkeypatch.setattr(module, "look_at", looks.append)
    arrivals.tick()
    assert looks == []
    clock.now += 1.0
    arrivals.tick()
    assert len(looks) == 1000


def test_storage_that_is_slow_gets_through_a_storm(
    book: Book, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them in one question would never be answered in time, and be asked for ever."""
    asked: list[int] = []
    ask = book.storage.ask

    def slow(question: Callable[[], list[object]]) -> list[object]:
        found = ask(question)
        asked.append(len(found))
        clock.now += len(found) * 1e-3
        return found

    monkeypatch.setattr(book.storage, "ask", slow)
    arrivals = Arrivals(book, 1.0)  # type: ignore[arg-type]
    for number in range(2500):
        arrivals.note(tmp_path / f"{number}.png", closed=True, close_will_come=True)
        (tmp_path / f"{number}.png").touch()
    arrivals.tick()
    assert max(asked) <= 1000
    assert len(book.asked) < 2500
    assert arrivals.due_s() == 0.0
    arrivals.tick()
    assert len(book.asked) == 2500
    assert arrivals.due_s() is None


def test_nothing_is_forgotten_while_the_database_is_away(
    arrivals: Arrivals, book: Book, tmp_path: Path
) -> None:
    arrivals.note(write(tmp_path / "a.mp4", "x"), closed=True, close_will_come=True)
    book.broken = True
    with pytest.raises(DatabaseError):
        arrivals.tick()
    book.broken = False
    arrivals.tick()
    assert book.asked == ["a.mp4"]
