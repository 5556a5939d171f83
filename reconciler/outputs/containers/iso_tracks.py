"""One track of an mp4: ISO/IEC 14496-12, 8.3 to 8.7 (trak, tkhd, mdhd, hdlr, elst, dref, stbl)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from reconciler.outputs.containers.base import Damaged, Source
from reconciler.outputs.containers.iso_boxes import (
    Box,
    children,
    clock,
    inside,
    need,
    track_header,
)
from reconciler.outputs.containers.iso_fragments import Fragments
from reconciler.outputs.containers.iso_samples import Edit, SampleTable, counted

#: A medium of pictures: of a film, or of an AVIF sequence.
PICTURES = {b"vide", b"pict"}
#: Media whose clocks run without a break: text and time codes may pause at will.
CONTINUOUS = {*PICTURES, b"soun"}
NORMAL_RATE = 0x10000


@dataclass(slots=True)
class Track:
    """One track of the movie."""

    id: int
    handler: bytes
    table: SampleTable
    #: Ticks per second of this track and of the movie.
    scale: int
    movie_scale: int
    #: Ticks that the headers of the track and of its media declare; None where not known.
    shown_ticks: int | None
    media_ticks: int | None
    edits: tuple[Edit, ...]
    #: False where an edit plays at another speed, or stands still.
    plain_edits: bool
    #: The body of avcC: what a decoder of h264 is told beforehand.
    setup: bytes = b""
    fragments: Fragments = field(default_factory=Fragments)

    @property
    def presented(self) -> int | None:
        """How many samples are presented. Edits of a fragmented track count nothing away."""
        if not self.fragments.count:
            return self.table.presented(self.edits) if self.plain_edits else None
        whole = all(edit.end is None for edit in self.edits)
        return self.table.count + self.fragments.count if whole else None


def read_track(source: Source, trak: Box, movie_scale: int) -> Track:
    """Read one trak box. Raises Damaged where something is missing or contradicts itself."""
    parts = inside(source, trak)
    number, shown = track_header(source, need(parts, b"tkhd", trak))
    media = need(parts, b"mdia", trak)
    found = inside(source, media)
    handler = source.read(need(found, b"hdlr", media).body + 8, 4)
    scale, ticks = clock(source, need(found, b"mdhd", media))
    info = need(found, b"minf", media)
    below = inside(source, info)
    _insist_own_data(source, need(below, b"dinf", info))
    table = need(below, b"stbl", info)
    tables = {kind: box.read(source) for kind, box in inside(source, table).items()}
    edits, plain = _edits(source, parts, scale, movie_scale)
    samples = SampleTable.parse(tables)
    setup = _setup(tables[b"stsd"])
    return Track(number, handler, samples, scale, movie_scale, shown, ticks, edits, plain, setup)


def _setup(descriptions: bytes) -> bytes:
    """Return the body of the box avcC; nothing where several descriptions have one each."""
    if descriptions.count(b"avcC") != 1:
        return b""
    at = descriptions.find(b"avcC")
    size = int.from_bytes(descriptions[at - 4 : at], "big") if at >= 4 else 0
    return descriptions[at + 4 : at - 4 + size] if size > 8 else b""


def _insist_own_data(source: Source, dinf: Box) -> None:
    references = need(inside(source, dinf), b"dref", dinf)
    for entry in children(source, references.body + 8, references.end):
        flags = source.read(entry.body, 4)[3]
        if not flags & 1:
            raise Damaged("a track refers to another file for its media data", entry.start)


def _edits(
    source: Source, parts: dict[bytes, Box], scale: int, movie_scale: int
) -> tuple[tuple[Edit, ...], bool]:
    """Read the edit list (8.6.6), in ticks of the track. Empty edits present nothing."""
    if b"edts" not in parts or b"elst" not in (found := inside(source, parts[b"edts"])):
        return (), True
    data = found[b"elst"].read(source)
    wide = data[:1] == b"\1"
    entry = struct.Struct(">QqI" if wide else ">IiI")
    unknown = 0xFFFFFFFFFFFFFFFF if wide else 0xFFFFFFFF
    edits, plain = [], True
    for duration, media_time, rate in entry.iter_unpack(counted(data, 4, entry.size, "elst")):
        plain = plain and (rate == NORMAL_RATE or media_time < 0)
        ticks = -(-duration * scale // movie_scale)
        slack = -(-scale // movie_scale)  # the movie's clock is the coarser one
        if media_time >= 0:
            open_end = duration in (0, unknown)
            edits.append(Edit(media_time, None if open_end else media_time + ticks + slack))
    return tuple(edits), plain
