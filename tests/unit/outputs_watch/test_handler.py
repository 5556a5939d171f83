"""What becomes of watchdog's events."""

from __future__ import annotations

from pathlib import Path

import pytest
from watchdog.events import (
    DirCreatedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
)

from reconciler.outputs import observers
from reconciler.outputs.change import Change
from reconciler.outputs.observers import Handler

ROOT = Path("/link")


def told(*events: FileSystemEvent) -> list[Change]:
    changes: list[Change] = []
    handler = Handler(ROOT, "/real", changes.append)
    for event in events:
        handler.on_any_event(event)
    return changes


def test_a_file_that_is_created_will_be_closed() -> None:
    assert told(FileCreatedEvent("/real/a.png"), FileClosedEvent("/real/a.png")) == [
        Change(ROOT / "a.png", closed=False),
        Change(ROOT / "a.png", closed=True),
    ]


def test_one_in_a_new_folder_may_have_been_closed_before_that_was_watched() -> None:
    """watchdog tells of what it finds in a new folder as if it were created just now."""
    assert told(DirCreatedEvent("/real/new"), FileCreatedEvent("/real/new/a.png")) == [
        Change(ROOT / "new" / "a.png", closed=False, close_missed=True)
    ]


def test_a_folder_is_not_new_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "_NEW_S", 0.0)
    assert told(DirCreatedEvent("/real/new"), FileCreatedEvent("/real/new/a.png")) == [
        Change(ROOT / "new" / "a.png", closed=False)
    ]


def test_a_file_that_is_renamed_was_closed_under_its_other_name() -> None:
    assert told(FileMovedEvent("/real/a.tmp", "/real/a.mp4")) == [
        Change(ROOT / "a.mp4", closed=False, close_missed=True)
    ]
