"""Storage that hangs holds up a thread of its own and nobody else."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import OutputError
from reconciler.outputs.storage import Storage
from tests.waiting import wait_for


@pytest.fixture
def answers() -> Iterator[threading.Event]:
    """Set, the storage answers again."""
    event = threading.Event()
    yield event
    event.set()


def test_answers_and_errors_are_passed_on(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert storage.ask(lambda: os.stat(tmp_path)).st_ino == tmp_path.stat().st_ino
    with pytest.raises(FileNotFoundError):
        storage.ask(lambda: os.stat(tmp_path / "missing"))
    assert not storage.hangs


def test_a_question_that_hangs_is_given_up_and_others_are_refused(
    tmp_path: Path, answers: threading.Event
) -> None:
    storage = Storage(tmp_path, patience_s=0.05)
    with pytest.raises(OutputError, match=r"did not answer within 0\.05 s"):
        storage.ask(answers.wait)
    assert storage.hangs
    with pytest.raises(OutputError, match="does not answer"):
        storage.ask(lambda: 1)
    answers.set()
    wait_for(lambda: not storage.hangs, "it answers again")
    assert storage.ask(lambda: 1) == 1


def test_nothing_is_left_of_a_storage_that_nobody_needs(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    new: set[threading.Thread] = set()

    def use(storage: Storage) -> None:
        assert not storage.ask(lambda: storage.hangs)
        new.update(set(threading.enumerate()) - before)

    use(Storage(tmp_path))
    (thread,) = [each for each in new if each.name == "storage"]
    gc.collect()
    wait_for(lambda: not thread.is_alive(), "its thread ends")
