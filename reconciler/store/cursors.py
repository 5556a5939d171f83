"""Where a page of a list ended, as a text that means nothing to whoever keeps it for the next."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from reconciler.store.clean import clean_text

#: No cursor is longer, in characters: that of a file holds its path.
MAX_CHARS = 12_000


class BadCursor(Exception):
    """A text that is no cursor of this list."""

    def __init__(self) -> None:
        super().__init__("should be the `next` of an answer to the same question")


@dataclass(frozen=True, slots=True)
class Place:
    """The last row that a page went past."""

    #: Which part of the list it is in.
    part: int
    #: By what the part is ordered, as Postgres writes it; None where by the key alone.
    value: str | None
    #: The row's key.
    key: str


def encode(order: str, place: Place) -> str:
    """The cursor of a place in a list of that order."""
    text = json.dumps([order, place.part, place.value, place.key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(order: str, cursor: str) -> Place:
    """The inverse. Raises BadCursor, also for a cursor of another order."""
    if len(cursor) > MAX_CHARS:
        raise BadCursor
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        known = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise BadCursor from error
    return _place(order, known)


def _place(order: str, known: Any) -> Place:
    match known:
        case [str() as was, int() as part, str() | None as value, str() as key]:
            is_ours = was == order and not isinstance(part, bool) and 0 <= part < 100
            if is_ours and _fits_postgres(f"{key}{value or ''}"):
                return Place(part, value, key)
    raise BadCursor


def _fits_postgres(text: str) -> bool:
    """False with NUL and lone surrogates, which JSON can spell."""
    return text == clean_text(text, len(text))
