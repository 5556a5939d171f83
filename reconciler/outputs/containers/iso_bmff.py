"""Mp4, mov and m4a: ISO/IEC 14496-12 (ISO base media file format) and QuickTime.

Checked: the boxes of the top level fill the file exactly (4.2), `moov` and media data are there
(8.2.1, 8.1.1), no track refers to another file (8.7.2), every sample table is consistent
(`iso_samples`) and points into media data (`iso_media`), fragments are whole and in order
(`iso_fragments`, `iso_indexes`), and times are possible (`iso_times`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.outputs.containers import iso_times
from reconciler.outputs.containers.base import Damaged, Source, Structure, broken
from reconciler.outputs.containers.iso_boxes import Box, children, clock, inside
from reconciler.outputs.containers.iso_fragments import Fragments, Reader, read_defaults
from reconciler.outputs.containers.iso_indexes import insist_random_access, insist_segments
from reconciler.outputs.containers.iso_media import holes, insist_apart, insist_inside
from reconciler.outputs.containers.iso_tracks import PICTURES, Track, read_track
from reconciler.outputs.inspection import Defect

#: A moov beyond this is no video's: ten hours at 60 frames per second need half of it.
MAX_MOOV_BYTES = 64 * 1024**2
#: What libavformat writes into the metadata of a movie; see `iso_media.holes`.
LIBAVFORMAT = b"Lavf"


@dataclass(frozen=True, slots=True)
class Movie:
    """The moov box, read."""

    tracks: Sequence[Track]
    #: Ticks that the movie header declares; None where not known.
    ticks: int | None
    #: Samples may lie in fragments.
    fragmented: bool
    exact_writer: bool


def check(source: Source) -> Structure:
    """Check the boxes of a file and count the frames that it declares."""
    boxes, defects = _top_level(source)
    found = {box.type for box in boxes}
    if b"moov" not in found:
        defects.append(Defect("structure", "moov box missing: cut off, or never finished"))
        return Structure(tuple(defects), decodable=False)
    if not found & {b"mdat", b"moof"} and not defects:
        defects.append(Defect("structure", "mdat box missing: there is no media data"))
    try:
        movie = _movie(source, next(box for box in boxes if box.type == b"moov"))
    except Damaged as error:
        return Structure((*defects, broken(error)))
    whole = not defects
    try:
        _fragments(source, boxes, movie)
        defects += iso_times.defects(movie.tracks, movie.ticks, movie.fragmented)
        if whole:  # else what is cut off is said already
            _indexes(source, boxes)
            defects += _places(source, boxes, movie)
    except Damaged as error:
        defects.append(broken(error))
    video = next((track for track in movie.tracks if track.handler in PICTURES), None)
    declared = video.presented if video else None
    setup = video.setup if video else b""
    return Structure(
        tuple(defects), has_video=video is not None, declared_frames=declared, setup=setup
    )


def _top_level(source: Source) -> tuple[list[Box], list[Defect]]:
    boxes: list[Box] = []
    try:
        for box in children(source, 0, source.size):
            boxes.append(box)
    except Damaged as error:
        return boxes, [broken(error)]
    return boxes, []


def _movie(source: Source, moov: Box) -> Movie:
    if moov.end - moov.body > MAX_MOOV_BYTES:
        size = moov.end - moov.body
        raise Damaged(f"moov box of {size} bytes, more than any video needs", moov.start)
    exact = LIBAVFORMAT in moov.read(source)  # and all that is read below comes out of this
    parts = inside(source, moov)
    if b"mvhd" not in parts:
        raise Damaged("mvhd box missing: no movie header", moov.start)
    scale, ticks = clock(source, parts[b"mvhd"])
    traks = [box for box in children(source, moov.body, moov.end) if box.type == b"trak"]
    tracks = [read_track(source, trak, scale) for trak in traks]
    return Movie(tracks, ticks, b"mvex" in parts, exact)


def _fragments(source: Source, boxes: Sequence[Box], movie: Movie) -> None:
    moofs = [box for box in boxes if box.type == b"moof"]
    if not moofs:
        return
    parts = inside(source, next(box for box in boxes if box.type == b"moov"))
    into: dict[int, Fragments] = {track.id: track.fragments for track in movie.tracks}
    for track in movie.tracks:
        track.fragments.due = track.table.ticks
        track.fragments.jump_ticks = iso_times.JUMP_S * track.scale
    reader = Reader(source, into, read_defaults(source, parts))
    for moof in moofs:
        reader.take(moof)


def _indexes(source: Source, boxes: Sequence[Box]) -> None:
    starts = {box.start for box in boxes} | {source.size}
    moofs = {box.start for box in boxes if box.type == b"moof"}
    for box in boxes:
        if box.type == b"mfra":
            insist_random_access(source, box, moofs)
        elif box.type == b"sidx":
            insist_segments(source, box, starts)


def _places(source: Source, boxes: Sequence[Box], movie: Movie) -> tuple[Defect, ...]:
    media = [box for box in boxes if box.type == b"mdat"]
    extents: list[tuple[int, int]] = []
    for track in movie.tracks:
        chunks = list(track.table.extents())
        insist_inside(chunks, media)
        insist_inside(track.fragments.extents, media, "fragment")
        extents += chunks
        extents += track.fragments.extents
    insist_apart(extents)
    return holes(source, extents, media) if movie.exact_writer else ()
