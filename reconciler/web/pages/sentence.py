"""Sentences with instants in them, which a page shows in the time zone of whoever reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: What outside text cannot hold within a sentence: `words.text.safe` escapes it.
_MARKED = re.compile("\x02([0-9.e+-]+)\x03")


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, in seconds since the epoch."""

    at: float


#: Text and instants, in order.
Sentence = tuple[str | Moment, ...]


def moment(instant: float) -> str:
    """Stands for the instant within a text, until `sentence` reads it."""
    return f"\x02{instant!r}\x03"


def sentence(text: str) -> Sentence:
    """The parts of a text in which `moment` said the instants."""
    parts = _MARKED.split(text)
    return tuple(
        Moment(float(part)) if number % 2 else part
        for number, part in enumerate(parts)
        if number % 2 or part
    )
