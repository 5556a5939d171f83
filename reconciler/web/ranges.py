"""Byte ranges of a file, as RFC 9110 (section 14) has them."""

from __future__ import annotations

import re

#: More ranges in one request, once those that overlap are joined, are answered with the whole file:
#: no player asks so, and each costs a head of its own.
MOST_RANGES = 16
_MAX_HEADER_CHARS = 1000
_SPEC = re.compile(r"(\d{0,19})-(\d{0,19})", re.ASCII)


class NotSatisfiable(Exception):
    """No byte of the file lies in any of the ranges."""


def ranges_of(header: str | None, size: int) -> list[range] | None:
    """The ranges of bytes that are asked for, in order and apart from each other.

    None: the whole file, for a header that is none, asks in another unit, makes no sense, or asks
    for too much: all those are to be ignored. Raises NotSatisfiable.
    """
    unit, equals, specs = (header or "").partition("=")
    if unit.strip().lower() != "bytes" or not equals or len(specs) > _MAX_HEADER_CHARS:
        return None
    asked: list[range] = []
    for spec in specs.split(","):
        if not spec.strip():
            continue  # an empty element of a list is to be ignored
        found = _SPEC.fullmatch(spec.strip())
        one = None if found is None else _range(found[1], found[2], size)
        if one is None:
            return None
        asked.append(one)
    if not asked:
        return None
    joined = _joined([one for one in asked if one])
    if not joined:
        raise NotSatisfiable
    return joined if len(joined) <= MOST_RANGES else None


def _range(first: str, last: str, size: int) -> range | None:
    """One range, cut to the file and perhaps empty; None for what makes no sense."""
    if first:
        if last and int(last) < int(first):
            return None
        return range(int(first), min(int(last) + 1, size) if last else size)
    return range(max(0, size - int(last)), size) if last else None


def _joined(asked: list[range]) -> list[range]:
    joined: list[range] = []
    for one in sorted(asked, key=lambda each: each.start):
        if joined and one.start <= joined[-1].stop:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, one.stop))
        else:
            joined.append(one)
    return joined
