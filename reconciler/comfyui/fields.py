"""Reading single fields of an answer that may hold anything: a value, or None. Nothing raises.

Texts are cleaned of what Postgres cannot store (NUL, halves of surrogate pairs) and bounded.
"""

from __future__ import annotations

import math
from typing import Any

#: Longest id that is kept, in characters. ComfyUI's own are UUIDs.
MAX_ID_CHARS = 500
#: Longest piece of an error message that is kept, in characters.
MAX_LINE_CHARS = 500
#: No graph has more nodes.
MAX_COUNT = 10**6
#: No clock tells of a later time, in seconds since the epoch (the year 5138).
LATEST_S = 1e11


class Misshapen(ValueError):
    """An answer lacks what nobody can do without; the message says where and what."""


def text(value: object, limit: int) -> str | None:
    """A text of at most `limit` characters, or None where there is none."""
    if not isinstance(value, str):
        return None
    kept = value[:limit].replace("\0", "\ufffd")
    return kept.encode("utf-8", "replace").decode() if not kept.isascii() else kept


def first_line(value: object) -> str | None:
    """The first line that says something."""
    said = text(value, 100 * MAX_LINE_CHARS) or ""
    return next((line.strip()[:MAX_LINE_CHARS] for line in said.splitlines() if line.strip()), None)


def number(value: object) -> float | None:
    """A finite number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        known = float(value)
    except OverflowError:
        return None
    return known if math.isfinite(known) else None


def whole(value: object) -> int | None:
    """A count of things, 0 to a million; more cannot be meant."""
    known = number(value)
    return int(known) if known is not None and 0 <= known <= MAX_COUNT else None


def instant(value: object) -> float | None:
    """A time in seconds since the epoch: one that a clock can tell, and Postgres can store."""
    known = number(value)
    return known if known is not None and 0 <= known < LATEST_S else None


def seconds(milliseconds: object) -> float | None:
    """ComfyUI's time stamps, milliseconds since the epoch, as seconds."""
    known = number(milliseconds)
    return None if known is None else instant(known / 1000)


def mapping(value: object) -> dict[str, Any]:
    """The value itself if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The value itself if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []
