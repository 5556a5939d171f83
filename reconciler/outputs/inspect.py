"""Inspection of one output file: what it is, what it holds, and what is wrong with it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from reconciler.outputs.containers.base import Source, Structure
from reconciler.outputs.decode import Decoded, decode
from reconciler.outputs.foreign import Unjudged
from reconciler.outputs.inspection import Defect, Inspection, Media
from reconciler.outputs.jpeg_scan import scan
from reconciler.outputs.limits import Limits
from reconciler.outputs.paths import open_unchanged
from reconciler.outputs.progress import OnProgress
from reconciler.outputs.sniff import HEAD_BYTES, Format, check_extension, sniff
from reconciler.outputs.still import Still, decode_still
from reconciler.outputs.wanted import USUAL, Wanted

#: Codecs whose packets are not one picture each: some show nothing, some hold two. Which ones show
#: nothing is known of those that are checked packet by packet (see `payload`).
UNEVEN_CODECS = {"mpeg4", "mpeg2video", "mpeg1video", "theora"}


def inspect(
    path: Path,
    *,
    limits: Limits | None = None,
    wanted: Wanted = USUAL,
    on_progress: OnProgress | None = None,
) -> Inspection:
    """Inspect a file in this process: recognise it, check its structure, decode it once, whole.

    Raises OutputError where the file cannot be opened, is no regular file, or changed meanwhile,
    and InspectionError where the inspection could not be run or went beyond its limits. A damaged
    file raises nothing: its `defects` say what is wrong.
    """
    with open_unchanged(path) as (descriptor, _):
        return inspect_open(descriptor, path, limits or Limits(), wanted, on_progress)


def inspect_open(
    descriptor: int,
    path: Path,
    limits: Limits,
    wanted: Wanted,
    on_progress: OnProgress | None = None,
) -> Inspection:
    """Inspect an open file; of `path` only the ending is asked, nothing is opened by it.

    Raises InspectionError.
    """
    state = os.fstat(descriptor)
    seen = Inspection(path, "unknown", state.st_size, state.st_mtime_ns, state.st_ino)
    source = Source(descriptor, state.st_size)
    known = sniff(source.head(HEAD_BYTES))
    if isinstance(known, Defect):
        return replace(seen, defects=(known,))
    if isinstance(known, Unjudged):
        wrong = check_extension(path.name, known)
        return replace(seen, unjudged=known.reason, defects=wrong)
    structure = known.check(source)
    defects = (*check_extension(path.name, known), *structure.defects)
    seen = replace(seen, media=_media(known, structure), container=known.name, defects=defects)
    if not structure.decodable:
        return seen
    on_progress = _with_totals(on_progress, structure)
    if known.demuxer is not None:
        decoded = decode(
            descriptor, known.demuxer, limits, wanted, on_progress,
            video=structure.has_video, setup=structure.setup,
        )  # fmt: skip
        return _with_decoded(seen, structure, decoded)
    still = decode_still(descriptor, known.pillow or "", limits, wanted, on_progress)
    if known.pillow == "JPEG" and not (seen.defects or still.defects):
        still = replace(still, defects=scan(descriptor, limits))
    return _with_still(seen, structure, still)


def _with_totals(on_progress: OnProgress | None, structure: Structure) -> OnProgress | None:
    """Tells with each progress what the container declares in all."""
    if on_progress is None:
        return None
    tell, of_s, of_frames = on_progress, structure.declared_duration_s, structure.declared_frames
    return lambda progress: tell(replace(progress, of_s=of_s, of_frames=of_frames))


def _media(known: Format, structure: Structure) -> Media:
    if structure.has_video:
        return "video"
    return "audio" if known.demuxer else "image"


def _with_decoded(seen: Inspection, structure: Structure, decoded: Decoded) -> Inspection:
    packets = decoded.packets
    video = seen.media == "video" and (packets.codec is None or packets.width is not None)
    duration_s = _duration_s(structure, decoded) if video else decoded.longest_s
    return replace(
        seen,
        media="video" if video else "audio",
        frames=decoded.frames if video else None,
        fps=_rate(packets.presented, duration_s) if video else None,
        duration_s=_rounded(duration_s),
        width=packets.width,
        height=packets.height,
        codec=packets.codec,
        tags=decoded.tags,
        has_audio=packets.sounds > 0,
        thumbnail=decoded.thumbnail,
        warnings=(*seen.warnings, *decoded.warnings),
        defects=(*seen.defects, *decoded.defects, *_shortfall(structure, decoded, video)),
    )


def _shortfall(structure: Structure, decoded: Decoded, video: bool) -> tuple[Defect, ...]:
    """Compare what was decoded with what the container declares, or else with its packets."""
    if not video:
        declared_s, heard_s = structure.declared_duration_s, decoded.longest_s or 0.0
        if declared_s is None or heard_s + structure.sound_slack_s >= declared_s:
            return ()
        return (Defect("duration", f"{heard_s:.3f} of {declared_s:.3f} s of sound"),)
    packets, hidden = decoded.packets, decoded.packets.payload.hidden
    declared = structure.declared_frames
    if declared is None and (hidden is not None or packets.codec not in UNEVEN_CODECS):
        declared = packets.presented
    return _count(decoded.frames, None if declared is None else declared - (hidden or 0))


def _count(frames: int | None, declared: int | None) -> tuple[Defect, ...]:
    if declared is None or frames is None or frames == declared:
        return ()
    return (Defect("frames", f"{frames} of {declared} frames could be decoded"),)


def _duration_s(structure: Structure, decoded: Decoded) -> float | None:
    """Return the seconds of the picture, exact where the container rounds but knows its rate."""
    measured, tick_s = decoded.packets.duration_s, decoded.packets.tick_s
    if measured is None or tick_s is None:
        return measured
    exact = (structure.declared_frame_s or 0.0) * decoded.packets.presented
    return exact if abs(exact - measured) <= 2 * tick_s else measured


def _rate(frames: int | None, duration_s: float | None) -> float | None:
    return round(frames / duration_s, 3) if frames and duration_s else None


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 6) if seconds else None


def _with_still(seen: Inspection, structure: Structure, still: Still) -> Inspection:
    moving = seen.media == "video"
    frames = still.frames if moving or not still.frames else 1
    return replace(
        seen,
        frames=frames,
        fps=_rate(still.frames, still.duration_s) if moving else None,
        duration_s=_rounded(still.duration_s) if moving else None,
        width=still.width,
        height=still.height,
        codec=seen.container,
        tags=still.tags,
        thumbnail=still.thumbnail,
        warnings=still.warnings,
        defects=(
            *seen.defects,
            *still.defects,
            *_count(frames, structure.declared_frames if moving else None),
        ),
    )
