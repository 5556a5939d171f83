"""AVI: Microsoft, "AVI RIFF File Reference", and OpenDML 1.02 for files of several RIFFs.

Checked: the RIFFs fill the file, `movi` is there and chunks fill it, the indexes (idx1, ix##) name
chunks that are there, streams have a rate, and there are as many pictures as the stream's header
says. An empty chunk repeats the picture before it and is none of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken
from reconciler.outputs.containers.riff import Chunk, chunks, form
from reconciler.outputs.containers.riff_avi_index import insist_index, insist_standard_index
from reconciler.outputs.inspection import Defect

MAX_RIFFS = 1000
#: Endings of the names of chunks that hold pictures: compressed, plain, and as DV has them.
PICTURES = (b"dc", b"db", b"iv", b"__")


@dataclass(frozen=True, slots=True)
class Stream:
    """The header of one stream (strh)."""

    number: int
    kind: bytes
    #: Chunks of a stream of pictures.
    length: int


@dataclass(slots=True)
class Contents:
    """What the walk over the chunks found."""

    streams: list[Stream] = field(default_factory=list)
    #: Offset of each chunk of a `movi` list → its name and size.
    data: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    #: Chunks of pictures by stream: all, and those that are not empty.
    pictures: dict[int, int] = field(default_factory=dict)
    filled: dict[int, int] = field(default_factory=dict)
    lists: set[bytes] = field(default_factory=set)


def check(source: Source) -> Structure:
    """Check the RIFFs of a file and count the pictures of its video stream."""
    contents = Contents()
    try:
        _walk(source, contents)
    except Damaged as error:
        return Structure((broken(error),))
    missing = [kind.decode() for kind in (b"hdrl", b"movi") if kind not in contents.lists]
    defects = tuple(Defect("structure", f"{kind} list missing") for kind in missing)
    video = next((each for each in contents.streams if each.kind == b"vids"), None)
    if video is None:
        return Structure(defects, has_video=bool(missing))
    if not video.length:
        defects += (Defect("structure", "declares 0 frames: its writer never finished it"),)
        return Structure(defects)
    there = contents.pictures.get(video.number, 0)
    if there < video.length and not missing:
        words = f"{there} of {video.length} pictures are in it"
        defects += (Defect("structure", words),)
    return Structure(defects, declared_frames=contents.filled.get(video.number) or None)


def _walk(source: Source, contents: Contents) -> None:
    offset = 0
    for _ in range(MAX_RIFFS):
        if offset >= source.size:
            return
        if source.read(offset, 4) != b"RIFF":
            extra = source.size - offset
            raise Damaged(f"{extra} bytes of something else at byte {offset}", offset)
        outer = form(source, offset)
        _riff(source, outer, contents)
        offset = outer.end + outer.end % 2
    raise Damaged(f"more than {MAX_RIFFS} RIFFs in one file")


def _riff(source: Source, outer: Chunk, contents: Contents) -> None:
    movi: Chunk | None = None
    for chunk in chunks(source, outer.body, outer.end):
        if chunk.type == b"LIST":
            kind = source.read(chunk.body, 4)
            contents.lists.add(kind)
            if kind == b"hdrl":
                contents.streams = list(_streams(source, chunk))
            elif kind == b"movi":
                movi = chunk
                _data(source, chunk.body + 4, chunk.end, contents)
        elif chunk.type == b"idx1" and movi is not None:
            insist_index(source, chunk, movi, contents.data)


def _data(source: Source, start: int, end: int, contents: Contents) -> None:
    """Walk the chunks of a `movi` list, and of the `rec ` lists in it."""
    indexes: list[Chunk] = []
    for chunk in chunks(source, start, end):
        kind = chunk.type
        if not kind.isascii() or not kind.decode("ascii").isprintable():
            at = chunk.body - 8
            raise Damaged(f"no chunk at byte {at}, where one must begin", at)
        if kind == b"LIST":
            _data(source, chunk.body + 4, chunk.end, contents)
            continue
        size = chunk.end - chunk.body
        contents.data[chunk.body - 8] = (kind, size)
        if kind[:2] == b"ix":
            indexes.append(chunk)
        elif kind[2:] in PICTURES and kind[:2].isdigit():
            stream = int(kind[:2])
            contents.pictures[stream] = contents.pictures.get(stream, 0) + 1
            contents.filled[stream] = contents.filled.get(stream, 0) + (size > 0)
    for chunk in indexes:
        insist_standard_index(source, chunk, contents.data)


def _streams(source: Source, header: Chunk) -> Iterator[Stream]:
    number = 0
    for part in chunks(source, header.body + 4, header.end):
        if part.type != b"LIST" or source.read(part.body, 4) != b"strl":
            continue
        for chunk in chunks(source, part.body + 4, part.end):
            if chunk.type == b"strh":
                yield _stream(source, chunk, number)
        number += 1


def _stream(source: Source, header: Chunk, number: int) -> Stream:
    kind = source.read(header.body, 4)
    scale, rate, _, length = struct.unpack("<4I", source.read(header.body + 20, 16))
    if kind == b"vids" and not (scale and rate):
        raise Damaged("the stream of pictures declares 0 frames per second", header.body + 20)
    return Stream(number, kind, int(length))
