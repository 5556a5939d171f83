"""How jobs ended over a time, as bars: drawn by the template, and told as a table, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.store.stats import Endings

#: Periods that can be chosen: the word in the address, seconds, how many bars, what people read.
SPANS: Mapping[str, tuple[float, int, str]] = {
    "1h": (3_600.0, 30, "the last hour"),
    "24h": (86_400.0, 48, "the last day"),
    "7d": (7 * 86_400.0, 56, "the last week"),
}
DEFAULT_SPAN = "24h"
#: Of a drawing, in its own units: the width of a bar with the gap behind it, and the gap.
BAR_WIDTH, GAP, HEIGHT = 10, 2, 100
#: A bar that stands for anything at all is seen.
_LEAST_HEIGHT = 3.0


@dataclass(frozen=True, slots=True)
class Bar:
    """The jobs that ended so in one stretch of time."""

    #: When the stretch began and ended, in seconds since the epoch.
    begins_at: float
    ends_at: float
    number: int
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars from the oldest to the newest."""

    bars: Sequence[Bar]
    #: How many jobs the highest bar stands for, at least 1.
    top: int
    total: int

    @property
    def width(self) -> int:
        """Of the drawing."""
        return BAR_WIDTH * len(self.bars) - GAP


def begin_of(span: str, now: float) -> float:
    """When the first bar of a period begins: all begin at multiples of their length."""
    length_s, bars, _ = SPANS[span]
    step_s = length_s / bars
    return (now // step_s - bars + 1) * step_s


def step_of(span: str) -> float:
    """How long a bar's stretch of time is, in seconds."""
    length_s, bars, _ = SPANS[span]
    return length_s / bars


def plot(endings: Sequence[Endings], status: str, span: str, now: float) -> Plot:
    """The jobs that ended with this status, over a period that ends now."""
    begin, step_s, bars = begin_of(span, now), step_of(span), SPANS[span][1]
    numbers = [0] * bars
    for one in endings:
        part = round((one.at - begin) / step_s)
        if one.status == status and 0 <= part < bars:
            numbers[part] += one.number
    top = max(1, *numbers)
    return Plot([_bar(begin, step_s, top, *part) for part in enumerate(numbers)], top, sum(numbers))


def _bar(begin: float, step_s: float, top: int, part: int, number: int) -> Bar:
    height = max(HEIGHT * number / top, _LEAST_HEIGHT) if number else 0.0
    begins_at = begin + part * step_s
    y = round(HEIGHT - height, 1)
    return Bar(begins_at, begins_at + step_s, number, part * BAR_WIDTH, y, round(height, 1))
