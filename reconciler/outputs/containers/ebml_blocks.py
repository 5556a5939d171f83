"""Clusters of Matroska and the blocks in them: RFC 9559, 5.1.3 (Cluster), 10.1 to 10.3 (blocks).

Checked: the children fill a Cluster, each block belongs to a track and holds at least one byte,
laces are as long as they say, and no time jumps by hours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.outputs.containers.base import Damaged, Source
from reconciler.outputs.containers.ebml_elements import CRC32, VOID, Element, parse

CLUSTER = 0x1F43B675
TIMESTAMP, SIMPLE_BLOCK, BLOCK_GROUP, BLOCK = 0xE7, 0xA3, 0xA0, 0xA1
#: Children of a Cluster: those, Position, PrevSize, SilentTracks, EncryptedBlock.
IN_CLUSTER = {TIMESTAMP, SIMPLE_BLOCK, BLOCK_GROUP, 0xA7, 0xAB, 0x5854, 0xAF, VOID, CRC32}
#: Lacing: none, sizes as in Ogg, all of one size, sizes as in EBML.
XIPH, FIXED, EBML = 1, 2, 3
#: A break of this length is no pause, where no other track goes on meanwhile.
JUMP_S = 3000.0
#: No pause at all is as long as that.
MOST_PAUSE_S = 1_000_000.0
#: Whether a track goes on is known to this many seconds.
SPAN_S = 500.0
#: Header of an element, of a block (track, time, flags), and a count of laces.
HEAD_BYTES = 12 + 8 + 3 + 1
MAX_LACE_BYTES = 4096


@dataclass(slots=True)
class TrackTimes:
    """When one track has blocks; times in ticks, in the order of the file."""

    first: int
    previous: int
    count: int = 0
    #: Whether all its blocks have one time.
    still: bool = True
    #: Numbers of the spans of `SPAN_S` in which it has blocks.
    spans: set[int] = field(default_factory=set)
    #: Breaks of more than `JUMP_S`: how many, and the first (byte, second before, second after).
    breaks: int = 0
    first_break: tuple[int, float, float] | None = None


@dataclass(slots=True)
class Blocks:
    """What was seen of the blocks of a file, in the order of the file."""

    #: Tracks that may have blocks; empty where that is not known.
    tracks: frozenset[int]
    tick_s: float
    #: Times in ticks of the first block and of the latest one.
    first: int | None = None
    latest: int = 0
    times: dict[int, TrackTimes] = field(default_factory=dict)

    def cluster(self, source: Source, cluster: Element, end: int) -> int:
        """Walk one Cluster and return where it ends.

        One of unknown size ends where something begins that it cannot hold. Raises Damaged.
        """
        stop = end if cluster.end is None else cluster.end
        offset, base = cluster.body, None
        while offset < stop:
            head = source.read(offset, min(HEAD_BYTES, stop - offset))
            child = parse(head, offset)
            if child.id not in IN_CLUSTER:
                if cluster.end is None:
                    break
                raise Damaged(f"no element at byte {offset}, where one must begin", offset)
            if child.end is None or child.end > stop:
                words = f"Cluster cut off at byte {offset}, in the middle of a block"
                raise Damaged(words, offset)
            if child.id == TIMESTAMP:
                data = source.read(child.body, min(8, child.end - child.body))
                base = int.from_bytes(data, "big")
            elif child.id in (SIMPLE_BLOCK, BLOCK_GROUP):
                if base is None:
                    raise Damaged(f"Cluster at byte {cluster.start} has no time", cluster.start)
                if child.id == SIMPLE_BLOCK:
                    self._block(source, child, head[child.body - offset :], base)
                else:
                    self._group(source, child, base)
            offset = child.end
        return offset

    def _group(self, source: Source, group: Element, base: int) -> None:
        offset, end = group.body, group.end or group.body
        while offset < end:
            head = source.read(offset, min(HEAD_BYTES, end - offset))
            child = parse(head, offset)
            if child.end is None or child.end > end:
                words = f"element {child.id:X} at byte {offset} is larger than its parent"
                raise Damaged(words, offset)
            if child.id == BLOCK:
                self._block(source, child, head[child.body - offset :], base)
            offset = child.end

    def _block(self, source: Source, block: Element, head: bytes, base: int) -> None:
        """Take one block, whose first bytes are given (10.1)."""
        size = (block.end or block.body) - block.body
        length = 9 - head[0].bit_length() if head else 9
        if length > 8 or size < length + 3 or len(head) < length + 3:
            raise Damaged(f"block at byte {block.start} has no header", block.start)
        track = int.from_bytes(head[:length], "big") ^ 1 << 7 * length
        if self.tracks and track not in self.tracks:
            words = f"block at byte {block.start} is of track {track}, which is not declared"
            raise Damaged(words, block.start)
        relative = int.from_bytes(head[length : length + 2], "big", signed=True)
        lacing = head[length + 2] >> 1 & 3
        if lacing:
            _insist_laces(source, block, block.body + length + 3, lacing)
        self._time(track, base + relative, block.start)

    def _time(self, track: int, time: int, offset: int) -> None:
        seen = self.times.get(track)
        if seen is None:
            seen = self.times[track] = TrackTimes(time, time)
        self.first = time if self.first is None else self.first
        self.latest = max(self.latest, time)
        at_s = time * self.tick_s
        if abs(time - seen.previous) * self.tick_s >= JUMP_S:
            seen.breaks += 1
            seen.first_break = seen.first_break or (offset, seen.previous * self.tick_s, at_s)
        seen.count += 1
        seen.still = seen.still and time == seen.first
        seen.spans.add(int(at_s // SPAN_S))
        seen.previous = time

    def jump(self) -> tuple[int, float, float] | None:
        """Return the first jump that is no pause: (byte, second before it, second after it).

        A track that has one picture an hour has no jumps, and one that stands still while another
        goes on has a pause.
        """
        for track, seen in self.times.items():
            if seen.first_break is None or 2 * seen.breaks >= seen.count:
                continue
            _, before_s, after_s = seen.first_break
            if after_s - before_s > MOST_PAUSE_S:
                return seen.first_break
            between = set(range(int(before_s // SPAN_S) + 1, int(after_s // SPAN_S)))
            others = (other.spans for number, other in self.times.items() if number != track)
            if not any(2 * len(between & spans) > len(between) for spans in others):
                return seen.first_break
        return None


def _insist_laces(source: Source, block: Element, start: int, lacing: int) -> None:
    """Raise Damaged where the sizes of several frames in one block exceed it (10.3)."""
    end = block.end or start
    data = source.read(start, min(MAX_LACE_BYTES, end - start))
    if not data:
        raise Damaged(f"block at byte {block.start} has no header", block.start)
    frames = data[0] + 1
    if lacing == FIXED:
        fits = (end - start - 1) % frames == 0
    else:
        sizes = _xiph(data, frames) if lacing == XIPH else _ebml(data, frames)
        fits = sizes is not None and sizes <= end - start
    if not fits:
        words = f"block at byte {block.start} holds {frames} frames that do not fit into it"
        raise Damaged(words, block.start)


def _xiph(data: bytes, frames: int) -> int | None:
    """Return the bytes that header and sizes of all frames but the last take together."""
    at, total = 1, 0
    for _ in range(frames - 1):
        while True:
            if at >= len(data):
                return None
            total += data[at]
            at += 1
            if data[at - 1] != 0xFF:
                break
    return at + total


def _ebml(data: bytes, frames: int) -> int | None:
    """The same for sizes of which each is told as a difference from the one before."""
    at, total, size = 1, 0, 0
    for number in range(frames - 1):
        length = 9 - data[at].bit_length() if at < len(data) else 9
        if length > 8 or at + length > len(data):
            return None
        value = int.from_bytes(data[at : at + length], "big") ^ 1 << 7 * length
        size = value if number == 0 else size + value - ((1 << 7 * length - 1) - 1)
        if size < 0:
            return None
        total += size
        at += length
    return at + total
