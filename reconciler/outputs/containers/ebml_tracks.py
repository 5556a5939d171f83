"""Tracks and general data of Matroska: RFC 9559, 5.1.2 (Info) and 5.1.4 (Tracks)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source
from reconciler.outputs.containers.ebml_elements import Element, children, number, real

TRACK_ENTRY, TRACK_NUMBER, TRACK_TYPE, DEFAULT_DURATION = 0xAE, 0xD7, 0x83, 0x23E383
CODEC_PRIVATE = 0x63A2
TIMESTAMP_SCALE, DURATION = 0x2AD7B1, 0x4489
VIDEO = 1
NANOSECOND_S = 1e-9
MAX_TRACKS_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracks that a file declares."""

    numbers: frozenset[int] = frozenset()
    #: Numbers of those that hold pictures; None where the tracks could not be read.
    video: frozenset[int] | None = None
    #: Seconds per frame of the first of these, as declared.
    frame_s: float | None = None
    #: What the decoder of the first of these is told beforehand.
    setup: bytes = b""


@dataclass(frozen=True, slots=True)
class Info:
    """The clock of a file, and how long it lasts."""

    tick_s: float = 1e-3
    duration_s: float | None = None


def read_tracks(source: Source, tracks: Element) -> Tracks:
    """Read the track entries. Raises Damaged where they are broken."""
    if tracks.end is None or tracks.end - tracks.body > MAX_TRACKS_BYTES:
        return Tracks()
    numbers: set[int] = set()
    video: dict[int, float | None] = {}
    setup: bytes | None = None
    for entry in children(source, tracks):
        if entry.id != TRACK_ENTRY:
            continue
        fields = {child.id: child for child in children(source, entry)}
        track = number(source, fields.get(TRACK_NUMBER))
        numbers.add(track)
        if number(source, fields.get(TRACK_TYPE)) == VIDEO:
            video[track] = _frame_s(source, fields)
            setup = _setup(source, fields.get(CODEC_PRIVATE)) if setup is None else setup
    first = next(iter(video.values()), None)
    return Tracks(frozenset(numbers), frozenset(video), first, setup or b"")


def _setup(source: Source, private: Element | None) -> bytes:
    if private is None or private.end is None:
        return b""
    return source.read(private.body, private.end - private.body)


def _frame_s(source: Source, fields: dict[int, Element]) -> float | None:
    if DEFAULT_DURATION not in fields:
        return None
    declared = number(source, fields[DEFAULT_DURATION])
    if not declared:
        at = fields[DEFAULT_DURATION].start
        raise Damaged("a frame is declared to last 0 seconds", at)
    return declared * NANOSECOND_S


def read_info(source: Source, info: Element) -> Info:
    """Read clock and duration. Raises Damaged where the clock stands still."""
    fields = {child.id: child for child in children(source, info)}
    scale = number(source, fields.get(TIMESTAMP_SCALE), 1_000_000)
    if not scale:
        raise Damaged("the clock is declared to tick every 0 seconds", info.start)
    ticks = real(source, fields.get(DURATION))
    usable = ticks is not None and math.isfinite(ticks) and ticks > 0
    tick_s = scale * NANOSECOND_S
    return Info(tick_s, ticks * tick_s if usable and ticks else None)
