"""Where the output of a child process goes: bounded, whatever the child writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Sink(Protocol):
    """Takes what was read from a pipe."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""


class Head:
    """Keeps the first bytes and drops the rest."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.overflowed = False
        self._parts: list[bytes] = []
        self._room = limit

    def feed(self, data: bytes) -> None:
        """Keep what there is room for."""
        self.overflowed = self.overflowed or len(data) > self._room
        if self._room:
            self._parts.append(data[: self._room])
            self._room -= len(self._parts[-1])

    @property
    def data(self) -> bytes:
        """What was kept."""
        return b"".join(self._parts)


class Lines:
    """Gives whole lines to a function, each at most `longest` bytes long, the rest of it dropped.

    After `limit` bytes it stops listening, so that a flood costs no time either.
    """

    def __init__(
        self, take: Callable[[bytes], None], longest: int = 4096, limit: int | None = None
    ) -> None:
        self.overflowed = False
        self._take = take
        self._longest = longest
        self._left = limit
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes and hand on the lines they complete."""
        if self._left is not None:
            self.overflowed = self.overflowed or len(data) > self._left
            data = data[: self._left]
            self._left -= len(data)
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line[: self._longest])
        self._rest = rest[: self._longest]

    def finish(self) -> None:
        """Hand on a last line that no line end completed."""
        if self._rest:
            self._take(self._rest)
            self._rest = b""
