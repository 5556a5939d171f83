"""Elements of EBML: RFC 8794, ids (5), sizes (6), numbers (7) and checksums (11.3.1)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source

VOID, CRC32 = 0xEC, 0xBF
#: Bytes that the longest id and the longest size take.
HEAD_BYTES = 12


@dataclass(frozen=True, slots=True)
class Element:
    """One element; `end` is None where its size is unknown, as live writers leave it."""

    id: int
    start: int
    body: int
    end: int | None


def parse(head: bytes, offset: int) -> Element:
    """Read id and size out of the first bytes of an element that begins at `offset`.

    Raises Damaged where they are none.
    """
    id_length = 9 - head[0].bit_length()
    if id_length > 4:
        raise Damaged(f"no element at byte {offset}, where one must begin", offset)
    first = head[id_length] if len(head) > id_length else 0
    size_length = 9 - first.bit_length()
    length = id_length + size_length
    if size_length > 8 or len(head) < length:
        raise Damaged(f"no element at byte {offset}, where one must begin", offset)
    size = int.from_bytes(head[id_length:length], "big") ^ 1 << 7 * size_length
    unknown = size == (1 << 7 * size_length) - 1
    body = offset + length
    kind = int.from_bytes(head[:id_length], "big")
    return Element(kind, offset, body, None if unknown else body + size)


def element(source: Source, offset: int) -> Element:
    """Read the element at an offset of the file."""
    rest = source.size - offset
    if rest < 2:
        raise Damaged(f"the file ends at byte {source.size}, in the middle of a header", offset)
    return parse(source.read(offset, min(HEAD_BYTES, rest)), offset)


def children(source: Source, parent: Element) -> Iterator[Element]:
    """Give the children of an element of known size. Raises Damaged where one is too large."""
    offset, end = parent.body, parent.end or parent.body
    while offset < end:
        child = element(source, offset)
        if child.end is None or child.end > end:
            words = f"element {child.id:X} at byte {offset} is larger than its parent"
            raise Damaged(words, offset)
        yield child
        offset = child.end


def number(source: Source, found: Element | None, default: int = 0) -> int:
    """Return the unsigned number in an element, or the default where it is missing."""
    if found is None or found.end is None or found.end - found.body > 8:
        return default
    return int.from_bytes(source.read(found.body, found.end - found.body), "big")


def real(source: Source, found: Element | None) -> float | None:
    """Return the floating-point number in an element of 4 or 8 bytes."""
    if found is None or found.end is None or found.end - found.body not in (4, 8):
        return None
    data = source.read(found.body, found.end - found.body)
    return float(struct.unpack(">f" if len(data) == 4 else ">d", data)[0])


def text(source: Source, found: Element | None, most: int = 256) -> bytes:
    """Return at most so many bytes of a text, without what pads it."""
    if found is None or found.end is None:
        return b""
    return source.read(found.body, min(most, found.end - found.body)).rstrip(b"\0")


def insist_sum(source: Source, parent: Element, name: str) -> None:
    """Raise Damaged where an element begins with a checksum of the rest, and it is another."""
    if parent.end is None or parent.end - parent.body < 6:
        return
    if source.read(parent.body, 2) != b"\xbf\x84":
        return
    (wanted,) = struct.unpack("<I", source.read(parent.body + 2, 4))
    seen = 0
    for piece in source.steps(parent.body + 6, parent.end):
        seen = zlib.crc32(piece, seen)
    if seen != wanted:
        raise Damaged(f"{name} at byte {parent.start} has a wrong checksum", parent.start)
