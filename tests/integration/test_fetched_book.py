"""Copies of files that are somewhere else: fetched again, confirmed, kept, and given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

from reconciler.comfyui.view import ViewedFile
from reconciler.core.evidence import FileState
from reconciler.errors import ServerAnswer, ServerError, ServerTimeout
from reconciler.reconcile import fetched
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.fetched import FetchedBook, Transfer
from reconciler.reconcile.files import Answer
from reconciler.reconcile.inspections import Inspections
from reconciler.store import Store, open_store
from tests.integration.reconciling import inspect_here
from tests.waiting import wait_for


class FarDirectory:
    """An output directory that is asked for its files. `failing` is raised halfway through one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.failing: ServerError | None = None
        #: Names that were asked for, and those whose bytes were sent.
        self.asked: list[str] = []
        self.sent: list[str] = []

    def fetch(
        self,
        name: str,
        target: Callable[[ViewedFile], BinaryIO | None],
        *,
        max_bytes: int,
        heard: Callable[[int, int], None],
    ) -> ViewedFile | None:
        self.asked.append(name)
        path = self.root / name
        if not path.exists():
            return None
        facts = path.stat()
        described = ViewedFile(facts.st_size, facts.st_mtime_ns)
        sink = target(described)
        if sink is not None:
            self.sent.append(name)
            with sink:
                sink.write(path.read_bytes()[: facts.st_size // 2])
                heard(facts.st_size // 2, facts.st_size)
                if self.failing is not None:
                    raise self.failing
                sink.write(path.read_bytes()[facts.st_size // 2 :])
        return described

    def close(self) -> None:
        """Nothing to cut."""


class Stage:
    """A book of copies over a real store, and a clock that the test moves."""

    def __init__(self, url: str, folder: Path, keep_bytes: int = 10**9) -> None:
        self.far = FarDirectory(folder / "far")
        self.root = (folder / "copies").resolve()
        for directory in (self.far.root, self.root):
            directory.mkdir(exist_ok=True)
        self.store: Store = open_store(url)
        self.clock = DatabaseClock()
        self.clock.set(self.store.jobs.now())
        self.later_s = 0.0
        self.inspectors, self.fetchers = ThreadPoolExecutor(2), ThreadPoolExecutor(1)
        self.inspected: list[str] = []
        self.book = FetchedBook(
            "gpu",
            self.root,
            store=self.store.outputs,
            inspections=Inspections(self.inspectors),
            inspect=self._inspect,
            on_answer=lambda path: None,
            clock=self.clock,
            unsound_confirm_s=10.0,
            transfer=Transfer(self.far, self.fetchers, 10**9, keep_bytes),
            monotonic=lambda: self.later_s,
        )

    def _inspect(self, path: Path, *how: object) -> object:
        self.inspected.append(path.name)
        return inspect_here(path, *how)  # type: ignore[arg-type]

    def picture(self, name: str) -> Path:
        """A picture there; returns where its copy will be."""
        Image.effect_noise((64, 64), 50).save(self.far.root / name)
        return self.root / name

    def settle(self) -> None:
        wait_for(lambda: not self.book.waiting(), "transfers and inspections end")

    def look(self, path: Path) -> Answer:
        """What is known in the end of what one look starts."""
        for _ in range(3):
            self.book.look_up(path)
            self.settle()
        return self.book.look_up(path)

    def wait(self, seconds: float) -> None:
        """Time passes, here and in the database."""
        self.later_s += seconds
        self.clock.set(self.clock.now() + seconds)

    def close(self) -> None:
        self.fetchers.shutdown()
        self.inspectors.shutdown()
        self.store.connection.close()


@pytest.fixture
def stage(database: str, tmp_path: Path) -> Iterator[Stage]:
    with closing(Stage(database, tmp_path)) as stage:
        yield stage


def test_a_file_is_fetched_once_and_inspected_once(stage: Stage) -> None:
    path = stage.picture("a.png")
    assert stage.book.look_up(path).state is FileState.UNCHECKED
    answer = stage.look(path)
    assert answer.state is FileState.SOUND
    assert answer.record is not None
    assert answer.record.mtime_ns == (stage.far.root / "a.png").stat().st_mtime_ns
    stage.wait(60.0)
    assert stage.look(path).state is FileState.SOUND
    assert (stage.far.asked, stage.far.sent) == (["a.png"] * 2, ["a.png"])
    assert stage.inspected == ["a.png"]


def test_after_a_restart_the_server_is_asked_and_nothing_is_sent(
    stage: Stage, database: str, tmp_path: Path
) -> None:
    path = stage.picture("a.png")
    stage.look(path)
    with closing(Stage(database, tmp_path)) as second:
        assert second.look(path).state is FileState.SOUND
        assert (second.far.asked, second.far.sent, second.inspected) == (["a.png"], [], [])


def test_a_file_that_another_prompt_wrote_over_is_fetched_again(stage: Stage) -> None:
    path = stage.picture("a.png")
    stage.look(path)
    stage.picture("a.png")
    stage.wait(fetched.ASK_AGAIN_S)
    stage.look(path)
    assert stage.far.sent == ["a.png"] * 2
    assert stage.inspected == ["a.png"] * 2


def test_a_missing_file_is_absent_until_it_comes(stage: Stage) -> None:
    path = stage.root / "late.png"
    assert stage.look(path).state is FileState.ABSENT
    stage.picture("late.png")
    assert stage.look(path).state is FileState.ABSENT
    stage.wait(fetched.ASK_AGAIN_S)
    assert stage.look(path).state is FileState.SOUND


def test_damage_is_confirmed_by_a_second_transfer(stage: Stage) -> None:
    path = stage.picture("a.png")
    far = stage.far.root / "a.png"
    far.write_bytes(far.read_bytes()[:-30])
    first = stage.look(path)
    assert (first.state, first.record and first.record.confirmed) == (FileState.UNSOUND, False)
    stage.wait(6.0)
    stage.look(path)
    assert stage.far.sent == ["a.png"]  # not every few seconds
    stage.wait(6.0)
    second = stage.look(path)
    assert (second.state, second.record and second.record.confirmed) == (FileState.UNSOUND, True)
    assert stage.far.sent == ["a.png"] * 2


def test_damage_of_the_transfer_alone_is_healed_by_the_second(stage: Stage) -> None:
    path = stage.picture("a.png")
    whole = (stage.far.root / "a.png").read_bytes()
    (stage.far.root / "a.png").write_bytes(whole[:-30])
    assert stage.look(path).state is FileState.UNSOUND
    (stage.far.root / "a.png").write_bytes(whole)
    stage.wait(11.0)
    assert stage.look(path).state is FileState.SOUND


@pytest.mark.parametrize("error", [ServerTimeout("it is silent"), ServerAnswer("12 of 99 bytes")])
def test_a_transfer_that_fails_is_no_verdict_and_is_tried_again(
    stage: Stage, error: ServerError
) -> None:
    path = stage.picture("a.png")
    stage.far.failing = error
    answer = stage.look(path)
    assert (answer.state, answer.trouble) == (FileState.UNCHECKED, str(error))
    assert stage.book.trouble(path) == str(error)
    assert stage.inspected == []
    stage.far.failing = None
    stage.wait(fetched.RETRY_S)
    assert stage.look(path).state is FileState.SOUND
    assert stage.book.trouble(path) is None


def test_a_copy_that_somebody_deleted_is_fetched_again_and_is_not_missing(stage: Stage) -> None:
    path = stage.picture("a.png")
    stage.far.failing = None
    stage.book.look_up(path)
    wait_for(path.exists, "it is fetched")
    stage.settle()
    path.unlink()
    answer = stage.book.look_up(path)
    assert answer.state in (FileState.UNCHECKED, FileState.SOUND)
    assert stage.look(path).state is FileState.SOUND


def test_old_copies_go_and_what_was_found_stays(database: str, tmp_path: Path) -> None:
    with closing(Stage(database, tmp_path, keep_bytes=10_000)) as stage:
        paths = [stage.picture(f"{number}.png") for number in range(6)]
        for path in paths:
            assert stage.look(path).state is FileState.SOUND
        left = [path.name for path in paths if path.exists()]
        assert left[-1] == "5.png"
        assert sum(path.stat().st_size for path in paths if path.exists()) <= 10_000
        assert [stage.look(path).state for path in paths] == [FileState.SOUND] * 6
        assert stage.far.sent == [path.name for path in paths]


def test_a_copy_that_was_not_inspected_yet_stays(database: str, tmp_path: Path) -> None:
    """Else files that wait for each other would be fetched in turn, and never be inspected."""
    with closing(Stage(database, tmp_path, keep_bytes=1)) as stage:
        paths = [stage.picture(f"{number}.png") for number in range(3)]
        for path in paths:
            stage.book.look_up(path)
        stage.settle()
        assert [path.name for path in paths if path.exists()] == ["0.png", "1.png", "2.png"]
        assert [stage.look(path).state for path in paths] == [FileState.SOUND] * 3
        assert stage.far.sent == ["0.png", "1.png", "2.png"]
        stage.look(stage.picture("3.png"))
        assert [path.name for path in paths if path.exists()] == []


def test_where_copies_cannot_be_written_the_job_waits_and_says_why(stage: Stage) -> None:
    path = stage.picture("a.png")
    blocked = stage.root / "folder"
    blocked.write_text("a file in the way")
    (stage.far.root / "folder").mkdir()
    (stage.far.root / "a.png").rename(stage.far.root / "folder" / "a.png")
    answer = stage.look(blocked / path.name)
    assert answer.state is FileState.UNCHECKED
    assert answer.trouble
