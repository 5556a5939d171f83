"""CRC-16/ARC: the polynomial x^16 + x^15 + x^2 + 1, low bit first, from 0 (the CRC of LAME's tag).

By bytes it is too slow for megabytes. Modulo this polynomial x^32767 is 1, so blocks of 32767 bytes
may be laid over one another by XOR, which Python does in C: what is left to sum is one block.
"""

from __future__ import annotations

from collections.abc import Iterable

BLOCK_BYTES = 32767


def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)  # noqa: PLW2901 (a shift register)
        entries.append(value)
    return tuple(entries)


_TABLE = _table()


def crc16(blocks: Iterable[bytes]) -> int:
    """Return the checksum of blocks of `BLOCK_BYTES` each, of which the last may be shorter."""
    folded, rest = 0, b""
    for block in blocks:
        if len(block) == BLOCK_BYTES:
            folded ^= int.from_bytes(block, "big")
        else:
            rest = block
    return _by_bytes(rest, _by_bytes(folded.to_bytes(BLOCK_BYTES, "big"), 0))


def _by_bytes(data: bytes, value: int) -> int:
    table = _TABLE
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value
