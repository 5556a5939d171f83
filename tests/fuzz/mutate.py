"""What is done to a file: drawn from a number, so that each mutant can be made again.

Where a file has structure is not written down here for each container: a check reads headers, and
where it reads is where they are. So a new container needs nothing here.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: What lengths and counts are set to: nothing, a little, and the edges of each width.
EXTREMES = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WIDE = (*EXTREMES, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}
MULTIPLIED_BYTES = 128 * 1024
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Pristine:
    """A sound file, and where its headers are."""

    name: str
    data: bytes
    #: Offset and length of each read of its check, in the order of the file.
    reads: tuple[tuple[int, int], ...]


def mutant(pristine: Pristine, others: Sequence[Pristine], number: int) -> bytes:
    """The mutant of this number: one to four changes, checksums set right in half of them."""
    draw = random.Random(f"{pristine.name}/{number}")
    data = pristine.data
    for _ in range(draw.choice((1, 1, 1, 2, 2, 4))):
        data = draw.choice(CHANGES)(data, pristine, others, draw)
    return with_checksums(data) if draw.random() < 0.5 else data


Change = Callable[[bytes, Pristine, Sequence[Pristine], random.Random], bytes]


def _flip(data: bytes, pristine: Pristine, others: object, draw: random.Random) -> bytes:
    """Some bits of a header."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = _in_header(data, pristine, draw)
        if at < len(changed):
            changed[at] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _length(data: bytes, pristine: Pristine, others: object, draw: random.Random) -> bytes:
    """A number in a header becomes an extreme one, or one more or less than it was."""
    width = draw.choice((1, 2, 4, 4, 4, 8))
    at = _in_header(data, pristine, draw)
    if at + width > len(data):
        return data
    layout = draw.choice("<>") + FORMATS[width]
    most = (1 << 8 * width) - 1
    (before,) = struct.unpack_from(layout, data, at)
    near = (before + 1, before - 1, before * 2, len(data), len(data) - at)
    value = draw.choice((*WIDE, *near)) & most
    return data[:at] + struct.pack(layout, value) + data[at + width :]


def _cut(data: bytes, pristine: Pristine, others: object, draw: random.Random) -> bytes:
    """The file ends at a header, or a few bytes beside it."""
    return data[: max(_edge(pristine, draw) + draw.choice((0, 0, 1, -1, 4, 8)), 0)]


def _double(data: bytes, pristine: Pristine, others: object, draw: random.Random) -> bytes:
    begin, end = _chunk(pristine, draw)
    return data[:end] + data[begin:end] * draw.choice((1, 1, 2, 9)) + data[end:]


def _multiply(data: bytes, pristine: Pristine, others: object, draw: random.Random) -> bytes:
    """A chunk again and again: work that grows faster than the file shows."""
    begin, end = _chunk(pristine, draw)
    times = MULTIPLIED_BYTES // max(end - begin, 1)
    return data[:end] + data[begin:end] * times + data[end:]


def _delete(data: bytes, pristine: Pristine, others: object, draw: random.Random) -> bytes:
    begin, end = _chunk(pristine, draw)
    return data[:begin] + data[end:]


def _swap(data: bytes, pristine: Pristine, others: object, draw: random.Random) -> bytes:
    a, b, c, d = sorted((*_chunk(pristine, draw), *_chunk(pristine, draw)))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _splice(
    data: bytes, pristine: Pristine, others: Sequence[Pristine], draw: random.Random
) -> bytes:
    """It begins as one file and goes on as another, of its own format or of any."""
    ending = pristine.name.rpartition(".")[2]
    kin = [each for each in others if each.name.endswith(ending)]
    other = draw.choice(draw.choice((kin or others, others)))
    return data[: _edge(pristine, draw)] + other.data[_edge(other, draw) :]


def _blank(data: bytes, pristine: Pristine, others: object, draw: random.Random) -> bytes:
    at = _edge(pristine, draw)
    length = draw.choice((1, 4, 16, 512))
    return data[:at] + draw.choice((b"\0", b"\xff"))[:1] * length + data[at + length :]


def _insert(data: bytes, pristine: Pristine, others: object, draw: random.Random) -> bytes:
    at = _edge(pristine, draw)
    return data[:at] + draw.randbytes(draw.choice((1, 3, 4, 64))) + data[at:]


CHANGES: tuple[Change, ...] = (
    *(_flip, _flip, _length, _length, _length, _cut),
    *(_double, _delete, _swap, _splice, _blank, _insert, _multiply),
)


def _edge(pristine: Pristine, draw: random.Random) -> int:
    """Where a header begins, or the file ends."""
    offset, _ = draw.choice((*pristine.reads, (len(pristine.data), 0)))
    return offset


def _chunk(pristine: Pristine, draw: random.Random) -> tuple[int, int]:
    """From one header to a later one, mostly the next."""
    edges = sorted({offset for offset, _ in pristine.reads} | {len(pristine.data)})
    first = draw.randrange(len(edges))
    last = min(first + draw.choice((1, 1, 1, 2, 5)), len(edges) - 1)
    return edges[first], edges[last]


def _in_header(data: bytes, pristine: Pristine, draw: random.Random) -> int:
    """A byte of a header; at times any byte."""
    if draw.random() < 0.1 or not pristine.reads:
        return draw.randrange(max(len(data), 1))
    offset, length = draw.choice(pristine.reads)
    return offset + draw.randrange(max(min(length, 64), 1))


def with_checksums(data: bytes) -> bytes:
    """Set the checksums of a PNG's chunks right: else no mutant comes behind the first of them."""
    if not data.startswith(PNG):
        return data
    out, offset = bytearray(data), len(PNG)
    while offset + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, offset)
        end = offset + 8 + size
        if end + 4 > len(data):
            break
        struct.pack_into(">I", out, end, zlib.crc32(data[offset + 4 : end]))
        offset = end + 4
    return bytes(out)
