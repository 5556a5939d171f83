"""Histories as scripts: those that are kept, and one that failed and is followed again."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.faults.stateful.machine import History
from tests.faults.stateful.story import told

_FOLDER = Path(__file__).with_name("kept")
#: The names of the histories that are kept.
KEPT = tuple(sorted(path.stem for path in _FOLDER.glob("[a-z]*.py")))


def follow(name: str) -> None:
    """Follows one that is kept. Raises AssertionError."""
    path = _FOLDER / f"{name}.py"
    names: dict[str, object] = {"History": History}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    finally:
        if isinstance(state := names.get("state"), History):
            state.world.close()


def replay(script: str) -> int:
    """Follows a history, and tells what there was at its end. 1 where it failed."""
    names: dict[str, object] = {"History": History}
    for statement in ast.parse(script).body:
        text = ast.unparse(statement)
        print(text)
        try:
            exec(compile(text, "<history>", "exec"), names)
        except Exception as error:
            state = names.get("state")
            print(told(state.world) if isinstance(state, History) else "")
            print(f"{type(error).__name__}: {error}")
            if not isinstance(error, AssertionError):
                raise
            return 1
    return 0
