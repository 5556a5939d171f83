"""Whether the times of an mp4 can be: ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2 and 8.6.

A pause is legal: nothing moves, and the next picture comes late. A jump is one of an hour or so
between pictures that else follow each other quickly, while no other track goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from reconciler.outputs.containers.iso_tracks import CONTINUOUS, PICTURES, Track
from reconciler.outputs.inspection import Defect

#: A break of this length is no pause.
JUMP_S = 3000.0
#: No picture is shown as many pictures later than it is decoded: references reach no further.
MOST_SHIFTED = 32
#: By how much headers may contradict the samples: seconds, and part of the whole.
SLACK_S, SLACK_PART = 2.0, 0.1

Stretch = tuple[float, float]


def defects(tracks: Sequence[Track], movie_ticks: int | None, fragmented: bool) -> list[Defect]:
    """Return what is wrong with the times of the tracks."""
    timed = [track for track in tracks if track.handler in CONTINUOUS]
    found = [*_still(timed), *_jumps(timed), *_shifts(timed)]
    if not fragmented:
        longest = max((track.table.ticks for track in timed), default=0)
        if movie_ticks == 0 and longest:
            found.append(Defect("structure", "the movie header declares a duration of 0"))
        for track in timed:
            found.extend(_contradictions(track))
    return found


def _still(tracks: Sequence[Track]) -> Iterator[Defect]:
    for track in tracks:
        table = track.table
        if track.handler in PICTURES and table.count > 1 and not table.ticks:
            words = f"all {table.count} frames are at the same time: 0 frames per second"
            yield Defect("structure", words)


def _jumps(tracks: Sequence[Track]) -> Iterator[Defect]:
    stretches = [(track, list(_stretches(track))) for track in tracks]
    for track, own in stretches:
        others = [span for other, spans in stretches if other is not track for span in spans]
        for (_, stop), (start, _) in pairwise(own):
            if start - stop >= JUMP_S and not any(_within(span, stop, start) for span in others):
                words = f"time jumps by {(start - stop) / 3600:.1f} hours"
                yield Defect("structure", f"{words} at {stop:.2f} s", at_s=round(stop, 3))
                break


def _within(span: Stretch, stop: float, start: float) -> bool:
    """Whether another track goes on during most of a break."""
    return min(span[1], start) - max(span[0], stop) > (start - stop) / 2


def _stretches(track: Track) -> Iterator[Stretch]:
    """Give the stretches of time, in seconds, that the samples of a track fill without a jump."""
    begun, time = 0, 0
    limit = JUMP_S * track.scale
    long = sum(samples for samples, ticks in track.table.durations if ticks >= limit)
    if 2 * long < track.table.count:  # else it is one picture an hour, all along
        for samples, ticks in track.table.durations:
            if ticks >= limit:
                yield begun / track.scale, time / track.scale
                begun = time + samples * ticks
            time += samples * ticks
    else:
        time = track.table.ticks
    if time or not track.fragments.count:
        yield begun / track.scale, time / track.scale
    fragments = track.fragments
    stretches = fragments.stretches
    if 2 * fragments.jumps >= fragments.count and stretches:
        stretches = [(stretches[0][0], stretches[-1][1])]
    for start, stop in stretches:
        yield start / track.scale, stop / track.scale


def _shifts(tracks: Sequence[Track]) -> Iterator[Defect]:
    for track in tracks:
        furthest = max((abs(shift) for _, shift in track.table.offsets), default=0)
        usual = max(track.table.durations, default=(0, 0))[1]
        if furthest >= max(JUMP_S * track.scale, MOST_SHIFTED * usual):
            words = f"a frame is shown {furthest / track.scale / 3600:.1f} hours off its place"
            yield Defect("structure", words)


def _contradictions(track: Track) -> Iterator[Defect]:
    lasts_s = track.table.ticks / track.scale
    if not lasts_s:
        return
    if track.media_ticks is not None and not _near(track.media_ticks / track.scale, lasts_s):
        declared = f"{track.media_ticks / track.scale:.2f} s"
        yield Defect("structure", f"the samples last {lasts_s:.2f} s, their header says {declared}")
    if not track.plain_edits:
        return
    if not track.edits:
        shown_s = None if track.shown_ticks is None else track.shown_ticks / track.movie_scale
        if shown_s and not _near(shown_s, lasts_s):
            words = f"a track lasts {lasts_s:.2f} s, its header says {shown_s:.2f} s"
            yield Defect("structure", words)
    end = track.table.ticks + max((shift for _, shift in track.table.offsets), default=0)
    for edit in track.edits:
        if edit.end is not None and edit.end > end:
            over_s = (edit.end - max(edit.start, end)) / track.scale
            if over_s > max(SLACK_S, SLACK_PART * lasts_s):
                words = f"the edit list presents {over_s:.2f} s more than there are"
                yield Defect("structure", words)


def _near(declared_s: float, lasts_s: float) -> bool:
    return abs(declared_s - lasts_s) <= max(SLACK_S, SLACK_PART * lasts_s)
