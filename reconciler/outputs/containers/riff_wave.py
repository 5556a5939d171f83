"""WAV: RIFF with a `fmt ` and a `data` chunk; RF64 and BW64 (ITU-R BS.2088) beyond 4 GiB.

Checked: both chunks are there and fill the file; the numbers of `fmt ` agree, and the data is made
of whole blocks. Who writes to a pipe cannot come back for sizes: all ones, nearly two or four GiB,
or 0 then stand for "to the end of the file".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing
from reconciler.outputs.containers.riff import MAX_CHUNKS, STREAMED, Chunk
from reconciler.outputs.inspection import Defect

#: From here on sizes that do not fit the file are a pipe's: sox leaves 0x7FFFFFFF less its header.
_ENDLESS = (range(0x7FFFF000, 0x80000000), range(0xFFFFF000, STREAMED + 1))
_LARGE = (b"RF64", b"BW64")
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Sizes that stand in a `ds64` chunk, since 32 bits are too few; None in an ordinary WAV."""

    riff: int | None = None
    data: int | None = None


def check(source: Source) -> Structure:
    """Check the chunks of a WAV. Raises nothing: what is broken becomes a defect."""
    try:
        sizes = _large_sizes(source)
        end = _end(source, sizes)
        found = {chunk.type: chunk for chunk in _chunks(source, end, sizes)}
        missing = [kind for kind in ("fmt ", "data") if kind.encode() not in found]
        if missing:
            raise Damaged(f"{missing[0].strip()} chunk missing")
        _insist_whole(source, found[b"fmt "], found[b"data"])
    except Damaged as error:
        return Structure((broken(error),), has_video=False)
    ending: tuple[Defect, ...] = trailing(source, end + end % 2)
    return Structure(ending, has_video=False)


def _large_sizes(source: Source) -> _Sizes:
    if source.read(0, 4) not in _LARGE:
        return _Sizes()
    kind, _, riff, data = struct.unpack("<4sIQQ", source.read(12, 24))
    if kind != b"ds64":
        raise Damaged("ds64 chunk missing, which holds the sizes", 12)
    return _Sizes(riff or None, data or None)


def _end(source: Source, sizes: _Sizes) -> int:
    """Return where the outer chunk ends. Raises Damaged where that is behind the file."""
    size = int.from_bytes(source.read(4, 4), "little") if sizes.riff is None else sizes.riff
    if size <= source.size - 8:
        return 8 + size if size else source.size
    if _endless(size):
        return source.size
    raise Damaged(f"RIFF cut off: {source.size} of {8 + size} bytes", source.size)


def _endless(size: int) -> bool:
    return any(size in sizes for sizes in _ENDLESS)


def _chunks(source: Source, end: int, sizes: _Sizes) -> Iterator[Chunk]:
    """Give the chunks up to `end`. Raises Damaged where they do not fill the space."""
    offset = 12
    for _ in range(MAX_CHUNKS):
        if offset >= end:
            return
        kind, size = struct.unpack("<4sI", source.read(offset, 8))
        if kind == b"data" and size == STREAMED and sizes.data is not None:
            size = sizes.data
        stop = offset + 8 + size
        if (stop > end and _endless(size)) or (kind == b"data" and not size):
            stop = end
        if stop > end:
            words = f"{kind.decode('ascii', 'replace')!r} chunk cut off: "
            raise Damaged(f"{words}{end - offset} of {8 + size} bytes", offset)
        yield Chunk(kind, offset + 8, stop)
        offset = stop + (stop - offset) % 2
    raise Damaged(f"more than {MAX_CHUNKS} chunks side by side")


def _insist_whole(source: Source, form: Chunk, data: Chunk) -> None:
    """Raise Damaged where the numbers of `fmt ` contradict one another, or the data them."""
    if form.end - form.body < 16:
        raise Damaged("fmt chunk too short", form.body)
    kind, channels, rate, per_second, block, bits = struct.unpack(
        "<HHIIHH", source.read(form.body, 16)
    )
    if not channels or not rate or not block:
        raise Damaged(f"{channels} channels at {rate} Hz, in blocks of {block} bytes", form.body)
    if kind not in (PCM, FLOAT, EXTENSIBLE):
        return
    if per_second != rate * block or block != channels * ((bits + 7) // 8):
        words = f"{channels} channels of {bits} bits at {rate} Hz in blocks of {block} bytes"
        raise Damaged(f"fmt chunk contradicts itself: {words}, {per_second} a second", form.body)
    # one byte more may be the padding of an odd length that nobody came back to write
    if (data.end - data.body) % block > 1:
        raise Damaged("data cut off within a sample", data.end)
