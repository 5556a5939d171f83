"""Times, durations and numbers in words."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from reconciler.core.words import duration

__all__ = ["ago", "counted", "duration", "iso", "local", "short"]

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def short(seconds: float) -> str:
    """One unit, for a column: "42s", "4m", "3h", "12d"."""
    if not math.isfinite(seconds):
        return "∞"
    left = max(round(seconds), 0)
    for unit, size in _UNITS:
        if left >= size:
            return f"{left // size}{unit[0]}"
    return "0s"


def counted(number: int | None, thing: str) -> str:
    """A number of things: "1 frame", "72 frames", "unknown frames"."""
    shown = "unknown" if number is None else str(number)
    return f"{shown} {thing}" if number == 1 else f"{shown} {thing}s"


def ago(instant: float, now: float) -> str:
    """How long ago it was."""
    return f"{duration(now - instant)} ago"


def local(instant: float, now: float) -> str:
    """Local time; with the date where that is not today's."""
    there, here = datetime.fromtimestamp(instant), datetime.fromtimestamp(now)
    return f"{there:%H:%M:%S}" if there.date() == here.date() else f"{there:%Y-%m-%d %H:%M:%S}"


def iso(instant: float | None) -> str | None:
    """The same for programs, in UTC."""
    if instant is None:
        return None
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds")
