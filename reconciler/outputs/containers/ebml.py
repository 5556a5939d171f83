"""Matroska and WebM: RFC 8794 (EBML) and RFC 9559 (Matroska).

Checked: the Segment and its top-level elements fill the file exactly, the writer came back to
fill in the size of the Segment where it had meant to, checksums fit where there are any (11.3.1;
libavformat writes one into each top-level element), the indexes point at what they name
(`ebml_indexes`), blocks fill their Clusters (`ebml_blocks`), and the last of them is as late as
the duration says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing
from reconciler.outputs.containers.ebml_blocks import CLUSTER, Blocks
from reconciler.outputs.containers.ebml_elements import (
    CRC32,
    VOID,
    Element,
    children,
    element,
    insist_sum,
    text,
)
from reconciler.outputs.containers.ebml_indexes import insist_cues, insist_seek_head
from reconciler.outputs.containers.ebml_tracks import Info, Tracks, read_info, read_tracks
from reconciler.outputs.inspection import Defect

EBML, SEGMENT, DOC_TYPE = 0x1A45DFA3, 0x18538067, 0x4282
SEEK_HEAD, INFO, TRACKS = 0x114D9B74, 0x1549A966, 0x1654AE6B
CUES, ATTACHMENTS, CHAPTERS, TAGS = 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367
NAMES = {
    SEEK_HEAD: "SeekHead",
    INFO: "Info",
    TRACKS: "Tracks",
    CLUSTER: "Cluster",
    CUES: "Cues",
    ATTACHMENTS: "Attachments",
    CHAPTERS: "Chapters",
    TAGS: "Tags",
    VOID: "Void",
    CRC32: "checksum",
}
#: By how much the last block may be away from the declared duration.
SLACK_S, SLACK_PART = 2.0, 0.1


@dataclass(slots=True)
class Seen:
    """What the walk over the top level found."""

    elements: list[Element] = field(default_factory=list)
    info: Info = field(default_factory=Info)
    tracks: Tracks = field(default_factory=Tracks)
    blocks: Blocks | None = None
    defects: list[Defect] = field(default_factory=list)

    def first(self, kind: int) -> Element | None:
        """Return the first top-level element of that kind."""
        return next((each for each in self.elements if each.id == kind), None)


def check(source: Source) -> Structure:
    """Check the elements of a file down to its blocks."""
    try:
        segment = _segment(source)
    except Damaged as error:
        return Structure((broken(error),), decodable=False)
    end = source.size if segment.end is None else segment.end
    seen = Seen()
    try:
        for each in _top_level(source, segment.body, min(end, source.size), seen):
            seen.elements.append(each)
            _take(source, each, seen)
    except Damaged as error:
        seen.defects.append(broken(error))
    if end > source.size and not seen.defects:
        have, want = source.size - segment.body, end - segment.body
        words = f"Segment cut off: {have} of {want} bytes"
        seen.defects.append(Defect("structure", words, offset=source.size))
    if seen.first(CLUSTER) is None:
        seen.defects.append(Defect("structure", "no Cluster: there is no media data"))
    if _unfinished(segment, seen.elements):
        words = "Segment size missing: its writer never finished it"
        seen.defects.append(Defect("structure", words))
    if not seen.defects:
        seen.defects += _indexes(source, segment, seen)
        seen.defects += _times(seen)
    ending = trailing(source, end) if segment.end is not None else ()
    video = seen.tracks.video is None or bool(seen.tracks.video)
    found = (*seen.defects, *ending)
    tracks = seen.tracks
    return Structure(found, has_video=video, declared_frame_s=tracks.frame_s, setup=tracks.setup)


def _segment(source: Source) -> Element:
    header = element(source, 0)
    if header.id != EBML or header.end is None:
        raise Damaged("EBML header missing or broken", 0)
    kinds = [text(source, c) for c in children(source, header) if c.id == DOC_TYPE]
    if kinds not in ([b"matroska"], [b"webm"]):
        raise Damaged("the header names no type of document: neither matroska nor webm", 0)
    segment = element(source, header.end)
    if segment.id != SEGMENT:
        raise Damaged("Segment missing after the EBML header", header.end)
    return segment


def _top_level(source: Source, start: int, end: int, seen: Seen) -> Iterator[Element]:
    offset = start
    while offset < end:
        each = element(source, offset)
        if each.id not in NAMES:
            raise Damaged(f"no element at byte {offset}, where one must begin", offset)
        stop = each.end
        if each.id == CLUSTER and (stop is None or stop <= end):
            seen.blocks = seen.blocks or Blocks(seen.tracks.numbers, seen.info.tick_s)
            stop = _cluster(source, each, end, seen)
        if stop is None or stop > end:
            size = "?" if stop is None else stop - offset
            raise Damaged(f"{NAMES[each.id]} cut off: {end - offset} of {size} bytes", offset)
        yield each
        offset = stop


def _cluster(source: Source, cluster: Element, end: int, seen: Seen) -> int:
    """Walk a Cluster; what is wrong inside one of known size does not hide those behind it."""
    blocks = seen.blocks or Blocks(frozenset(), seen.info.tick_s)
    if cluster.end is None:
        return blocks.cluster(source, cluster, end)
    try:
        insist_sum(source, cluster, "Cluster")
        blocks.cluster(source, cluster, end)
    except Damaged as error:
        if not seen.defects:
            seen.defects.append(broken(error))
    return cluster.end


def _take(source: Source, each: Element, seen: Seen) -> None:
    if each.id not in (CLUSTER, VOID, CRC32):
        insist_sum(source, each, NAMES[each.id])
    if each.id == INFO and each.end is not None:
        seen.info = read_info(source, each)
    elif each.id == TRACKS:
        seen.tracks = read_tracks(source, each)


def _unfinished(segment: Element, elements: Sequence[Element]) -> bool:
    """Tell a killed writer from a live one: it had left room for the index, and nothing is there.

    Seen with ffmpeg and PyAV: a seekable output begins with Void, which a SeekHead replaces at the
    end; a pipe's begins with Info at once.
    """
    return segment.end is None and bool(elements) and elements[0].id == VOID


def _indexes(source: Source, segment: Element, seen: Seen) -> list[Defect]:
    clusters = {each.start for each in seen.elements if each.id == CLUSTER}
    try:
        for each in seen.elements:
            if each.id == SEEK_HEAD:
                insist_seek_head(source, each, segment.body)
            elif each.id == CUES:
                insist_cues(source, each, segment.body, clusters)
    except Damaged as error:
        return [broken(error)]
    return []


def _times(seen: Seen) -> Iterator[Defect]:
    blocks = seen.blocks
    if blocks is None or blocks.first is None:
        return
    jump = blocks.jump()
    if jump is not None:
        offset, at_s, next_s = jump
        words = f"time jumps by {(next_s - at_s) / 3600:+.1f} hours at {at_s:.2f} s"
        yield Defect("structure", words, offset=offset, at_s=round(at_s, 3))
        return
    for track in seen.tracks.video or ():
        times = blocks.times.get(track)
        if times is not None and times.still and times.count > 2:
            words = f"all {times.count} frames are at the same time: 0 frames per second"
            yield Defect("structure", words)
    declared_s = seen.info.duration_s
    if declared_s is None:
        return
    ends_s = (blocks.latest * blocks.tick_s, (blocks.latest - blocks.first) * blocks.tick_s)
    if all(abs(declared_s - end_s) > max(SLACK_S, SLACK_PART * declared_s) for end_s in ends_s):
        words = f"the last block is at {ends_s[0]:.2f} s, the file declares {declared_s:.2f} s"
        yield Defect("structure", words)
