"""Durations in words."""

from __future__ import annotations

import math

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


#: Where the end of a range exceeds its beginning by less, it is told as one number.
_AS_ONE = 1.15


def time_left(p50_s: float, p90_s: float | None) -> str:
    """What a person expects: "about 4 to 7 min left", "about 40 s to 2 min left", "about 3 h left".

    Without the second, or where they are nearly the same, the first alone.
    """
    low = one_unit(p50_s)
    if p90_s is None or not p90_s > _AS_ONE * p50_s or one_unit(p90_s) == low:
        return f"about {low} left"
    high = one_unit(p90_s)
    number, _, unit = low.partition(" ")
    shown = number if high.partition(" ")[2] == unit else low
    return f"about {shown} to {high} left"


def one_unit(seconds: float) -> str:
    """One unit, rounded: "42 s", "4 min", "90 min", "3 h", "12 d"."""
    if not math.isfinite(seconds):
        return "for ever"
    for unit, size in _UNITS:
        if seconds >= 1.6 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{max(round(seconds), 1)} s"


def duration(seconds: float) -> str:
    """Two units at most: "0.4 s", "42 s", "4 min 12 s", "3 h", "2 d 5 h"."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s".replace(".0 s", " s")
    if not math.isfinite(seconds):
        return "for ever"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return " ".join(part for part in parts[:2] if part)
