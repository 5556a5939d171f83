"""Compares an inspected file with what was expected of it.

Pillow, with which ComfyUI and VideoHelperSuite save animated gif, webp and png, writes pictures
that follow on an equal one as one that is shown longer, and rounds how long to whole milliseconds,
or hundredths of a second in a gif. Fewer pictures that are shown for as long as all the frames
would be are therefore what was expected.
"""

from __future__ import annotations

import math

from reconciler.core.expectation import (
    FIELDS,
    Expectation,
    Expected,
    ExpectedFrames,
    FrameRule,
    sized,
    words,
)
from reconciler.outputs.inspection import Defect, Inspection

#: Containers that may merge equal frames → the unit of their delays, in seconds.
_DELAY_UNIT_S = {"gif": 0.01, "webp": 0.001, "png": 0.001}
#: Where nobody says what the rate is, one of these is believed.
_USUAL_FPS = (8, 10, 12, 15, 16, 20, 24, 25, 30, 50, 60)
#: Nobody shows a picture for longer; a rate may be as small as a number can be.
_LONGEST_MS = 1e9
#: Containers of video round times to milliseconds: the first and the last, so twice.
_ROUNDED_S = 0.002
#: Codecs of sound pad to whole packets, at both ends.
_PADDING_S = 0.1


def unmet(inspection: Inspection, expected: Expectation) -> tuple[Defect, ...]:
    """What was expected of a main output and is not so, each in words.

    What is not known of a file speaks against nothing but its frames: those of a video that is
    judged must be countable.
    """
    return (
        *_frames(inspection, expected),
        *_fps(inspection, expected),
        *_duration(inspection, expected),
        *_size(inspection, expected),
        *_bytes(inspection, expected),
        *_audio(inspection, expected),
    )


def told(inspection: Inspection, expected: Expected) -> tuple[str, ...]:
    """What was expected by whom and what was found: "expected 72 frames (the row), found 72"."""
    lines = []
    for name in FIELDS:
        found = _found(inspection, name)
        wanted = getattr(expected.values, name)
        if wanted is not None and found is not None:
            by = expected.by.get(name)
            who = f" ({by})" if by else ""
            lines.append(f"expected {words(name, wanted)}{who}, found {found}")
    if _merged(inspection, expected.values):
        lines.append("its pictures are shown as long as the frames expected: equal ones are merged")
    default = expected.default_frames
    if default is not None and inspection.media == "video" and inspection.frames != default:
        lines.append(f"the row's {default} frames are its column's default: nobody's expectation")
    return tuple(lines)


def _found(seen: Inspection, name: str) -> str | None:  # noqa: PLR0911 - one for each field
    """What a file has, where it is a kind of file of which anything is expected in this field."""
    moving = seen.media == "video"
    if name == "frames" and moving:
        return "none that can be counted" if seen.frames is None else str(seen.frames)
    if name == "fps" and moving and seen.fps is not None:
        return f"{seen.fps:.1f}"
    if name == "duration_s" and seen.media != "image" and seen.duration_s is not None:
        return f"{seen.duration_s:.1f} s"
    if name in ("width", "height") and getattr(seen, name) is not None:
        return str(getattr(seen, name))
    if name == "min_bytes":
        return sized(seen.size_bytes)
    if name == "audio" and moving and seen.has_audio is not None:
        return "some" if seen.has_audio else "none"
    return None


def _frames(seen: Inspection, expected: Expectation) -> tuple[Defect, ...]:
    """A still, or a sound beside the video, has no frames to expect."""
    frames = expected.frames
    if frames is None or frames.rule is FrameRule.IGNORE or seen.media != "video":
        return ()
    wanted = " or ".join(map(str, (frames.count, *frames.also)))
    wanted = f"at least {wanted}" if frames.rule is FrameRule.AT_LEAST else wanted
    if seen.frames is None:
        if seen.unjudged is not None:
            return ()
        return (Defect("frames", f"none of {wanted} frames could be counted"),)
    if _enough(seen.frames, frames) or _merged(seen, expected):
        return ()
    return (Defect("frames", f"{seen.frames} of {wanted} frames"),)


def _enough(found: int, frames: ExpectedFrames) -> bool:
    counts = (frames.count, *frames.also)
    if frames.rule is FrameRule.AT_LEAST:
        return found >= min(counts) - frames.tolerance
    return any(abs(found - count) <= frames.tolerance for count in counts)


def _merged(seen: Inspection, expected: Expectation) -> bool:
    """True where fewer pictures than frames are shown for as long as the frames would be."""
    unit_s, frames = _DELAY_UNIT_S.get(seen.container or ""), expected.frames
    if unit_s is None or frames is None or not seen.frames or not seen.duration_s:
        return False
    lasts_ms, unit_ms = seen.duration_s * 1000, round(unit_s * 1000)
    slack_ms = unit_ms / 2
    for count in (frames.count, *frames.also):
        if count <= seen.frames:
            continue
        for delay_ms in _delays_ms(expected.fps, lasts_ms / count):
            least, most = _shown_ms(count, seen.frames, delay_ms, unit_ms)
            if delay_ms >= unit_ms and least - slack_ms < lasts_ms < most + slack_ms:
                return True
    return False


def _delays_ms(fps: float | None, average_ms: float) -> set[int]:
    """For how long one frame may be meant to be shown."""
    if fps is None:
        return {round(average_ms)}.union(*(_delays_ms(usual, 0) for usual in _USUAL_FPS))
    meant_ms = round(min(1000 / fps, _LONGEST_MS), 6)
    return {math.floor(meant_ms), math.ceil(meant_ms)}


def _shown_ms(count: int, pictures: int, delay_ms: int, unit_ms: int) -> tuple[int, int]:
    """The least and the longest time for which `count` frames are shown as fewer `pictures`.

    The delays of equal frames are added up, and the sum is cut to whole units: each picture loses
    less than one unit, and one of a single frame all that is beyond the unit.
    """
    cut_ms = delay_ms // unit_ms * unit_ms
    merged = min(2 * (count - pictures), count)
    least = max(count * cut_ms, count * delay_ms - pictures * unit_ms)
    return least, (count - merged) * cut_ms + merged * delay_ms // unit_ms * unit_ms


def _fps(seen: Inspection, expected: Expectation) -> tuple[Defect, ...]:
    if expected.fps is None or seen.media != "video" or not seen.fps or not seen.frames:
        return ()
    wanted_s, found_s = 1 / expected.fps, 1 / seen.fps
    unit_s = _DELAY_UNIT_S.get(seen.container or "", 0.0)
    if found_s > wanted_s and unit_s and (expected.frames is None or _merged(seen, expected)):
        return ()  # how many frames became one picture cannot be told
    slack_s = max(expected.fps_within * wanted_s, _ROUNDED_S / seen.frames)
    off_s = abs(found_s - wanted_s)
    if off_s <= slack_s or off_s < unit_s:
        return ()
    digits = 1 if f"{seen.fps:.1f}" != f"{expected.fps:.1f}" else 3
    return (Defect("fps", f"{seen.fps:.{digits}f} of {expected.fps:g} frames a second"),)


def _duration(seen: Inspection, expected: Expectation) -> tuple[Defect, ...]:
    wanted_s, found_s = expected.duration_s, seen.duration_s
    if wanted_s is None or found_s is None or seen.media not in ("video", "audio"):
        return ()
    slack_s = max(expected.duration_within * wanted_s, _least_slack_s(seen))
    if abs(found_s - wanted_s) <= slack_s:
        return ()
    digits = 1 if f"{found_s:.1f}" != f"{wanted_s:.1f}" else 3
    return (Defect("duration", f"{found_s:.{digits}f} of {wanted_s:.{digits}f} s"),)


def _least_slack_s(seen: Inspection) -> float:
    """One frame, since a duration is seldom a whole number of them, and what is rounded."""
    if seen.media == "audio":
        return _PADDING_S
    frame_s = 1 / seen.fps if seen.fps else 0.0
    return frame_s + _ROUNDED_S + _DELAY_UNIT_S.get(seen.container or "", 0.0) * (seen.frames or 0)


def _size(seen: Inspection, expected: Expectation) -> tuple[Defect, ...]:
    pairs = ((seen.width, expected.width), (seen.height, expected.height))
    if all(None in pair or pair[0] == pair[1] for pair in pairs):
        return ()
    if None not in (expected.width, expected.height):
        wanted = f"{expected.width} x {expected.height} pixels"
    else:
        name = "height" if expected.width is None else "width"
        wanted = words(name, getattr(expected, name))
    return (Defect("resolution", f"{seen.width} x {seen.height} instead of {wanted}"),)


def _bytes(seen: Inspection, expected: Expectation) -> tuple[Defect, ...]:
    least = expected.min_bytes
    if least is None or seen.size_bytes >= least:
        return ()
    found, wanted = sized(seen.size_bytes), sized(least)
    if found == wanted:
        found, wanted = f"{seen.size_bytes} bytes", str(least)
    return (Defect("size", f"{found}, less than the {wanted} expected"),)


def _audio(seen: Inspection, expected: Expectation) -> tuple[Defect, ...]:
    if expected.audio is None or seen.media != "video" or seen.has_audio in (None, expected.audio):
        return ()
    wrong = (
        "no sound, though it was expected" if expected.audio else "sound, though none was expected"
    )
    return (Defect("audio", wrong),)
