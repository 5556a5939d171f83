"""Elements of Matroska and WebM: RFC 8794 (EBML) and RFC 9559 (Matroska).

Checked: the Segment and its top-level elements fill the file exactly, there is a Cluster, and the
writer came back to fill in the size of the Segment where it had meant to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing
from reconciler.outputs.inspection import Defect

EBML, SEGMENT = 0x1A45DFA3, 0x18538067
SEEK_HEAD, INFO, TRACKS, CLUSTER = 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675
CUES, ATTACHMENTS, CHAPTERS, TAGS = 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367
VOID, CRC32 = 0xEC, 0xBF
TOP_LEVEL = {
    *(SEEK_HEAD, INFO, TRACKS, CLUSTER, CUES, ATTACHMENTS, CHAPTERS, TAGS, VOID, CRC32),
}
TRACK_ENTRY, TRACK_TYPE, DEFAULT_DURATION = 0xAE, 0x83, 0x23E383
VIDEO = 1
#: Children of a Cluster: Timestamp, Position, PrevSize, SimpleBlock, BlockGroup, and two more.
IN_CLUSTER = {0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0x5854, 0xAF, VOID, CRC32}
MAX_TRACKS_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Element:
    """One element; `end` is None where its size is unknown, as live writers leave it."""

    id: int
    start: int
    body: int
    end: int | None


def check(source: Source) -> Structure:
    """Check the elements of a file down to its clusters."""
    try:
        segment = _segment(source)
    except Damaged as error:
        return Structure((broken(error),), decodable=False)
    elements: list[Element] = []
    defects: list[Defect] = []
    end = source.size if segment.end is None else segment.end
    try:
        for element in _top_level(source, segment.body, min(end, source.size)):
            elements.append(element)
    except Damaged as error:
        defects.append(broken(error))
    if end > source.size and not defects:
        have, want = source.size - segment.body, end - segment.body
        defects.append(Defect("structure", f"Segment cut off: {have} of {want} bytes"))
    if CLUSTER not in {element.id for element in elements}:
        defects.append(Defect("structure", "no Cluster: there is no media data"))
    if _unfinished(segment, elements):
        defects.append(Defect("structure", "Segment size missing: its writer never finished it"))
    video, frame_s = _video(source, elements)
    ending = trailing(source, end) if segment.end is not None else ()
    return Structure((*defects, *ending), has_video=video, declared_frame_s=frame_s)


def _segment(source: Source) -> Element:
    header = _element(source, 0)
    if header.id != EBML or header.end is None:
        raise Damaged("EBML header missing or broken")
    segment = _element(source, header.end)
    if segment.id != SEGMENT:
        raise Damaged("Segment missing after the EBML header")
    return segment


def _top_level(source: Source, start: int, end: int) -> Iterator[Element]:
    offset = start
    while offset < end:
        element = _element(source, offset)
        if element.id not in TOP_LEVEL:
            raise Damaged(f"no element at byte {offset}, where one must begin")
        stop = element.end if element.end is not None else _end_of_live(source, element, end)
        if stop > end:
            name = "Cluster" if element.id == CLUSTER else f"element {element.id:X}"
            raise Damaged(f"{name} cut off: {end - offset} of {stop - offset} bytes")
        yield element
        offset = stop


def _end_of_live(source: Source, cluster: Element, end: int) -> int:
    """Find where a Cluster of unknown size ends: where something begins that it cannot hold."""
    offset = cluster.body
    while offset < end:
        child = _element(source, offset)
        if child.id not in IN_CLUSTER:
            return offset
        if child.end is None or child.end > end:
            raise Damaged(f"Cluster cut off at byte {offset}, in the middle of a block")
        offset = child.end
    return offset


def _unfinished(segment: Element, elements: list[Element]) -> bool:
    """Tell a killed writer from a live one: it had left room for the index, and nothing is there.

    Seen with ffmpeg and PyAV: a seekable output begins with Void, which a SeekHead replaces at the
    end; a pipe's begins with Info at once.
    """
    return segment.end is None and bool(elements) and elements[0].id == VOID


def _video(source: Source, elements: list[Element]) -> tuple[bool, float | None]:
    """Return whether there is a video track, and its declared seconds per frame."""
    tracks = next((element for element in elements if element.id == TRACKS), None)
    if tracks is None or tracks.end is None or tracks.end - tracks.body > MAX_TRACKS_BYTES:
        return True, None
    try:
        for entry in _children(source, tracks):
            if entry.id != TRACK_ENTRY:
                continue
            fields = {child.id: child for child in _children(source, entry)}
            if _number(source, fields.get(TRACK_TYPE)) == VIDEO:
                duration_ns = _number(source, fields.get(DEFAULT_DURATION))
                return True, duration_ns / 1e9 if duration_ns else None
    except Damaged:
        return True, None
    return False, None


def _children(source: Source, parent: Element) -> Iterator[Element]:
    offset, end = parent.body, parent.end or parent.body
    while offset < end:
        child = _element(source, offset)
        if child.end is None or child.end > end:
            raise Damaged(f"element {child.id:X} at byte {offset} is larger than its parent")
        yield child
        offset = child.end


def _number(source: Source, element: Element | None) -> int:
    if element is None or element.end is None or element.end - element.body > 8:
        return 0
    return int.from_bytes(source.read(element.body, element.end - element.body), "big")


def _element(source: Source, offset: int) -> Element:
    """Read the id and the size of an element (RFC 8794, 4 and 5)."""
    id_length = _length(source, offset, 4)
    kind = int.from_bytes(source.read(offset, id_length), "big")
    at = offset + id_length
    size_length = _length(source, at, 8)
    size = int.from_bytes(source.read(at, size_length), "big") & ((1 << 7 * size_length) - 1)
    body = at + size_length
    unknown = size == (1 << 7 * size_length) - 1
    return Element(kind, offset, body, None if unknown else body + size)


def _length(source: Source, offset: int, most: int) -> int:
    first = source.read(offset, 1)[0]
    length = 9 - first.bit_length()
    if length > most:
        raise Damaged(f"no element at byte {offset}, where one must begin")
    return length
