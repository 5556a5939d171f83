"""What is told of checked files, to a person or a program, one by one as they are judged."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import RenderableType
from rich.text import Text

from reconciler.cli.check import lines
from reconciler.cli.check.checked import Checked, Found, as_json
from reconciler.core.expectation import Expectation
from reconciler.words.times import counted

#: With more files than this, people are shown only those of which there is something to say.
SHOWN_FILES = 25
SOUND, UNSOUND, UNREADABLE = 0, 1, 2


@dataclass
class Tally:
    """How many files of each verdict there were."""

    #: Whether a file may come again: then its last verdict counts.
    repeats: bool = False
    found: Counter[Found] = field(default_factory=Counter)
    #: Sound files with something to know about them.
    warned: int = 0
    _last: dict[Path, tuple[Found, bool]] = field(default_factory=dict)

    def add(self, checked: Checked) -> None:
        """One more file, or one again."""
        warned = checked.found is Found.SOUND and bool(checked.warnings)
        if self.repeats:
            before, had_warned = self._last.get(checked.path, (None, False))
            self._last[checked.path] = (checked.found, warned)
            self.warned -= had_warned
            if before is not None:
                self.found[before] -= 1
        self.found[checked.found] += 1
        self.warned += warned

    def exit_code(self, *, strict: bool) -> int:
        """The worst of all files: a strict caller takes a doubt for a no."""
        if self.found[Found.UNREADABLE]:
            return UNREADABLE
        doubts = self.found[Found.UNJUDGED] + self.warned
        return UNSOUND if self.found[Found.UNSOUND] or (strict and doubts) else SOUND

    def words(self, took_s: float) -> str:
        """All of them in one line: "118 files: 115 sound, 2 unsound, 1 unjudged in 3.2 s"."""
        parts = [f"{self.found[one]} {one}" for one in Found if self.found[one]]
        if self.warned:
            parts[0] += f" ({self.warned} with warnings)"
        told = f": {', '.join(parts)}" if parts else ""
        return f"{counted(self.found.total(), 'file')}{told} in {took_s:.1f} s"


class Report(Protocol):
    """Takes checked files one by one."""

    def add(self, checked: Checked) -> None:
        """Tell of one more file."""

    def end(self) -> None:
        """No more will come, also where the check was interrupted."""


class Screen:
    """A table for people, on which each file is shown as soon as it is judged."""

    def __init__(
        self,
        show: Callable[[RenderableType], None],
        width: int,
        first: Sequence[Path],
        *,
        all_: bool,
    ) -> None:
        self._show = show
        self._width = width
        self._name = lines.name_width(first)
        self._all = all_
        self._begun = False

    def add(self, checked: Checked) -> None:
        """Show it, or pass over a sound one among many."""
        if checked.found is Found.SOUND and not checked.warnings and not self._all:
            return
        if not self._begun:
            self._show(lines.header())
            self._begun = True
        self._show(lines.line(checked, self._width, self._name))

    def end(self) -> None:
        """A table needs no end."""


class JsonArray:
    """A list of objects, written one by one; whole as soon as `end` was called."""

    def __init__(self, write: Callable[[str], None], expected: Expectation) -> None:
        self._write = write
        self._expected = expected
        self._held: str | None = None

    def add(self, checked: Checked) -> None:
        """Write the one before it: only now is it known that a comma follows."""
        self._flush(",")
        words = json.dumps(as_json(checked, self._expected), indent=2)
        self._held = textwrap.indent(words, "  ")

    def end(self) -> None:
        """Close the list."""
        if self._held is None:
            self._write("[]")
            return
        self._flush("")
        self._write("]")

    def _flush(self, after: str) -> None:
        self._write("[" if self._held is None else self._held + after)


class JsonLines:
    """An object on each line, for programs that follow a watch."""

    def __init__(self, write: Callable[[str], None], expected: Expectation) -> None:
        self._write = write
        self._expected = expected

    def add(self, checked: Checked) -> None:
        """Write its line."""
        self._write(json.dumps(as_json(checked, self._expected)))

    def end(self) -> None:
        """Lines need no end."""


def summary(tally: Tally, took_s: float, *, interrupted: bool) -> Text:
    """The last line for people."""
    bad = tally.exit_code(strict=False) != SOUND
    lead = "interrupted after " if interrupted else ""
    return Text(f"{lead}{tally.words(took_s)}", "bold red" if bad else "bold")
