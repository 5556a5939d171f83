"""Boxes of mp4, mov and m4a: ISO/IEC 14496-12 (ISO base media file format) and QuickTime.

Checked: the boxes of the top level fill the file exactly (4.2), `moov` and media data are there
(8.2.1, 8.1.1), no track refers to another file (8.7.2), and every sample table is consistent and
points into media data (see `iso_samples`). Fragments (8.8) are counted by their `trun` boxes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken
from reconciler.outputs.containers.iso_samples import Edit, SampleTable
from reconciler.outputs.inspection import Defect

#: A moov beyond this is no video's: ten hours at 60 frames per second need half of it.
MAX_MOOV_BYTES = 64 * 1024**2
#: Boxes side by side; a fragmented file has two per fragment.
MAX_BOXES = 200_000


@dataclass(frozen=True, slots=True)
class Box:
    """One box: `body` and `end` are offsets into the source."""

    type: bytes
    body: int
    end: int


@dataclass(slots=True)
class Track:
    """One track of the movie."""

    id: int
    handler: bytes
    table: SampleTable
    edits: tuple[Edit, ...]
    #: Samples in fragments, beside those of the table.
    fragment_samples: int = 0


def check(source: Source) -> Structure:
    """Check the boxes of a file and count the frames that it declares."""
    boxes, defects = _top_level(source)
    found = {box.type for box in boxes}
    if b"moov" not in found:
        defects.append(Defect("structure", "moov box missing: cut off, or never finished"))
        return Structure(tuple(defects), decodable=False)
    if not found & {b"mdat", b"moof"}:
        defects.append(Defect("structure", "mdat box missing: there is no media data"))
    try:
        tracks = _tracks(source, next(box for box in boxes if box.type == b"moov"))
        for moof in (box for box in boxes if box.type == b"moof"):
            _count_fragment(source, moof, tracks)
        media = [(box.body, box.end) for box in boxes if box.type == b"mdat"]
        for track in tracks:
            track.table.insist_inside(media)
    except Damaged as error:
        return Structure((*defects, broken(error)))
    video = next((track for track in tracks if track.handler == b"vide"), None)
    declared = _presented(video) if video else None
    return Structure(tuple(defects), has_video=video is not None, declared_frames=declared)


def _top_level(source: Source) -> tuple[list[Box], list[Defect]]:
    boxes: list[Box] = []
    try:
        for box in children(source, 0, source.size):
            boxes.append(box)
    except Damaged as error:
        return boxes, [broken(error)]
    return boxes, []


def children(source: Source, start: int, end: int) -> Iterator[Box]:
    """Give the boxes between two offsets. Raises Damaged where they do not fill the space."""
    offset, seen = start, 0
    while offset < end:
        seen += 1
        if seen > MAX_BOXES:
            raise Damaged(f"more than {MAX_BOXES} boxes side by side")
        if end - offset < 8:
            if start and not any(source.read(offset, end - offset)):
                return  # QuickTime ends some lists with 32 bits of zero
            raise Damaged(f"{end - offset} bytes of something else at byte {offset}")
        size, kind = struct.unpack(">I4s", source.read(offset, 8))
        body = offset + 8
        if size == 1:
            (size,) = struct.unpack(">Q", source.read(body, 8))
            body += 8
        elif size == 0:
            size = end - offset  # "to the end of the file": what a killed writer leaves
        name = kind.decode("ascii", "replace")
        if not all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind):
            raise Damaged(f"no box at byte {offset}, where one must begin")
        if size < body - offset:
            raise Damaged(f"{name} box at byte {offset} has an impossible size")
        if offset + size > end:
            raise Damaged(f"{name} box cut off: {end - offset} of {size} bytes")
        yield Box(kind, body, offset + size)
        offset += size


def _tracks(source: Source, moov: Box) -> list[Track]:
    if moov.end - moov.body > MAX_MOOV_BYTES:
        raise Damaged(f"moov box of {moov.end - moov.body} bytes, more than any video needs")
    inside = list(children(source, moov.body, moov.end))
    header = next((box for box in inside if box.type == b"mvhd"), None)
    if header is None:
        raise Damaged("mvhd box missing: no movie header")
    movie_scale = _timescale(source, header)
    return [_track(source, box, movie_scale) for box in inside if box.type == b"trak"]


def _track(source: Source, trak: Box, movie_scale: int) -> Track:
    header = find(source, trak, b"tkhd")
    media = find(source, trak, b"mdia")
    handler = find(source, media, b"hdlr")
    info = find(source, media, b"minf")
    scale = _timescale(source, find(source, media, b"mdhd"))
    _insist_own_data(source, info)
    parts = children(source, *_span(find(source, info, b"stbl")))
    tables = {box.type: source.read(box.body, box.end - box.body) for box in parts}
    version = source.read(header.body, 1)[0]
    (track_id,) = struct.unpack(">I", source.read(header.body + (20 if version else 12), 4))
    edits = _edits(source, trak, scale, movie_scale)
    return Track(track_id, source.read(handler.body + 8, 4), SampleTable.parse(tables), edits)


def find(source: Source, parent: Box, kind: bytes) -> Box:
    """Return the first child of that type. Raises Damaged where there is none."""
    for box in children(source, parent.body, parent.end):
        if box.type == kind:
            return box
    raise Damaged(f"{kind.decode()} box missing inside {parent.type.decode('ascii', 'replace')}")


def _span(box: Box) -> tuple[int, int]:
    return box.body, box.end


def _timescale(source: Source, box: Box) -> int:
    """Read the ticks per second out of an mvhd or mdhd box (8.2.2, 8.4.2)."""
    version = source.read(box.body, 1)[0]
    (scale,) = struct.unpack(">I", source.read(box.body + (20 if version else 12), 4))
    if scale == 0:
        raise Damaged(f"{box.type.decode()} box declares a clock of 0 ticks per second")
    return int(scale)


def _insist_own_data(source: Source, info: Box) -> None:
    references = find(source, find(source, info, b"dinf"), b"dref")
    for entry in children(source, references.body + 8, references.end):
        flags = source.read(entry.body, 4)[3]
        if not flags & 1:
            raise Damaged("a track refers to another file for its media data")


def _edits(source: Source, trak: Box, scale: int, movie_scale: int) -> tuple[Edit, ...]:
    """Read the edit list (8.6.6), in ticks of the track. Empty edits present nothing."""
    try:
        table = find(source, find(source, trak, b"edts"), b"elst")
    except Damaged:
        return ()
    data = source.read(table.body, table.end - table.body)
    if len(data) < 8:
        raise Damaged("elst box is too short to hold its own count")
    entry = struct.Struct(">QqI" if data[0] else ">IiI")
    edits = []
    for duration, media_time, _rate in entry.iter_unpack(_entries(data, entry.size)):
        ticks = -(-duration * scale // movie_scale)
        slack = -(-scale // movie_scale)  # the movie's clock is the coarser one
        if media_time >= 0:
            edits.append(Edit(media_time, media_time + ticks + slack if duration else None))
    return tuple(edits)


def _entries(data: bytes, size: int) -> bytes:
    (count,) = struct.unpack_from(">I", data, 4)
    if 8 + count * size > len(data):
        raise Damaged(f"edit list declares {count} entries and is too short for them")
    return data[8 : 8 + count * size]


def _count_fragment(source: Source, moof: Box, tracks: list[Track]) -> None:
    """Add the samples of one movie fragment (8.8.4) to the tracks they belong to."""
    for fragment in children(source, moof.body, moof.end):
        if fragment.type != b"traf":
            continue
        header = find(source, fragment, b"tfhd")
        (track_id,) = struct.unpack(">I", source.read(header.body + 4, 4))
        for run in children(source, fragment.body, fragment.end):
            if run.type == b"trun":
                (count,) = struct.unpack(">I", source.read(run.body + 4, 4))
                for track in tracks:
                    track.fragment_samples += count if track.id == track_id else 0


def _presented(track: Track) -> int | None:
    if track.fragment_samples:
        whole = all(edit.end is None for edit in track.edits)
        return track.table.count + track.fragment_samples if whole else None
    return track.table.presented(track.edits)
