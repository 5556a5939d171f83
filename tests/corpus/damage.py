"""Every way of damaging a file, each a function of its bytes and of what is drawn."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

#: What is damaged in these ways is wrong whatever a decoder makes of it.
Damager = Callable[[bytes, random.Random], tuple[bytes, str]]


@dataclass(frozen=True, slots=True)
class Damage:
    """One way of damaging a file."""

    name: str
    apply: Damager
    #: True where it is a defect whatever the decoded pictures are.
    constructed: bool


def _truncated(percent: int) -> Damager:
    def apply(data: bytes, rng: random.Random) -> tuple[bytes, str]:
        share = percent + rng.uniform(-0.4, 0.4)
        kept = min(len(data) - 1, max(16, int(len(data) * share / 100)))
        return data[:kept], f"cut at byte {kept} of {len(data)}"

    return apply


def _place(data: bytes, rng: random.Random, length: int) -> int:
    """Where damage begins: in what the file carries rather than in its first or last bytes."""
    low, high = int(len(data) * 0.1), max(int(len(data) * 0.97) - length, int(len(data) * 0.1) + 1)
    return rng.randrange(low, high)


def _length(data: bytes, rng: random.Random, most: int) -> int:
    return max(8, min(rng.randint(64, most), len(data) // 8))


def zeroed(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """A block that was never written: a hole after a crash."""
    length = _length(data, rng, 4096)
    at = _place(data, rng, length)
    return data[:at] + bytes(length) + data[at + length :], f"{length} zeros at byte {at}"


def flipped(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Some bits within a few bytes."""
    changed, at = bytearray(data), _place(data, rng, 64)
    places = sorted({at + rng.randrange(48) for _ in range(rng.randint(1, 8))})
    for each in places:
        changed[min(each, len(data) - 1)] ^= 1 << rng.randrange(8)
    return bytes(changed), f"{len(places)} bits at byte {at}"


def overwritten(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Random bytes over what was there."""
    length = _length(data, rng, 512)
    at = _place(data, rng, length)
    put = rng.randbytes(length)
    return data[:at] + put + data[at + length :], f"{length} random bytes at byte {at}"


def missing_chunk(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Some bytes left out, so that all that follows has moved."""
    length = _length(data, rng, 4096)
    at = _place(data, rng, length)
    return data[:at] + data[at + length :], f"{length} bytes missing at byte {at}"


def header_only(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Only the first bytes."""
    kept = min(rng.randint(24, 600), len(data) // 4)
    return data[:kept], f"only the first {kept} bytes"


def empty(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """No byte at all."""
    return b"", "empty"


def tail_garbage(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Random bytes behind the end."""
    more = rng.randint(64, 5000)
    return data + rng.randbytes(more), f"{more} random bytes behind the end"


def boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """The top boxes of an ISO file: kind, first byte, size."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if size == 1:
            size = struct.unpack(">Q", data[at + 8 : at + 16])[0]
        size = size or len(data) - at
        found.append((kind, at, size))
        at += size
    return found


def no_moov(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """An mp4 whose writer died before it wrote the index."""
    kept = [data[at : at + size] for kind, at, size in boxes(data) if kind != b"moov"]
    return b"".join(kept), "moov left out"


def zero_rate(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Every frame of the picture lasts 0: 0 frames a second."""
    changed, at = bytearray(data), data.find(b"stts")
    count = struct.unpack(">I", data[at + 8 : at + 12])[0]
    for entry in range(count):
        start = at + 16 + 8 * entry
        changed[start : start + 4] = bytes(4)
    return bytes(changed), "every frame lasts 0"


def zero_rate_avi(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """The rate in the stream's header is 0."""
    changed, at = bytearray(data), data.find(b"strh") + 8
    changed[at + 24 : at + 28] = bytes(4)
    return bytes(changed), "rate 0 in the stream's header"


def leap(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """One frame of an mp4 lasts hours: its time table jumps."""
    changed, at = bytearray(data), data.find(b"stts")
    hours = rng.randint(2, 9)
    scale_at = data.find(b"mdhd") + 4 + 4 + 8
    scale = struct.unpack(">I", data[scale_at : scale_at + 4])[0]
    count, delta = struct.unpack(">II", data[at + 12 : at + 20])
    table = struct.pack(">II", count, delta + hours * 3600 * scale // max(count, 1))
    changed[at + 12 : at + 20] = table
    return bytes(changed), f"the times of {count} frames spread over {hours} hours"


TRUNCATED = tuple(Damage(f"truncated {p} %", _truncated(p), True) for p in (99, 95, 50, 10))
PAYLOAD = (
    Damage("zeroed", zeroed, False),
    Damage("flipped", flipped, False),
    Damage("overwritten", overwritten, False),
    Damage("missing chunk", missing_chunk, False),
)
HEADER_ONLY = Damage("header only", header_only, True)
EMPTY = Damage("empty", empty, True)
TAIL = Damage("tail garbage", tail_garbage, True)
NO_MOOV = Damage("no moov", no_moov, True)
ZERO_RATE = Damage("0 fps", zero_rate, True)
ZERO_RATE_AVI = Damage("0 fps", zero_rate_avi, True)
