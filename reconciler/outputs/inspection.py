"""What an inspection says about one output file. Values, and the expectation that needs no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Media = Literal["video", "image", "audio", "unknown"]


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong with a file.

    `kind` is one word for programs: empty, not_media, unsupported, extension, structure, decode,
    frames, duration, too_large. `detail` says it to a person: "71 of 72 frames", "moov box
    missing".
    """

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """One file, decoded once from end to end. None means "not known", never zero."""

    path: Path
    #: Anything that can move is video, an animated gif, webp or png too.
    media: Media
    #: Size, time of the last change and inode while it was inspected: same three, same answer.
    size_bytes: int
    mtime_ns: int
    inode: int
    #: Frames that were really decoded and are presented; 1 for a still, None for sound alone.
    frames: int | None = None
    #: Frames per second on average: frames divided by duration.
    fps: float | None = None
    #: Seconds of the picture, or of the sound where there is no picture.
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    #: As ffmpeg names it: h264, vp9, gif; for stills the name of the format.
    codec: str | None = None
    #: mp4, mov, webm, matroska, avi, gif, png, ...
    container: str | None = None
    #: The ids found in the file's metadata, under their lower-case names. Claims, not proof.
    tags: Mapping[str, str] = field(default_factory=dict)
    defects: tuple[Defect, ...] = ()
    #: A JPEG of the first picture.
    thumbnail: bytes | None = field(default=None, repr=False)

    @property
    def sound(self) -> bool:
        """True where nothing is wrong with the file itself; expectations are not asked here."""
        return not self.defects


def check_frames(
    inspection: Inspection, expected: int | None, tolerance: int = 0
) -> tuple[Defect, ...]:
    """Compare the decoded frames with what the job's row expects.

    Applies to videos only: a still or a sound beside the video has no frames to expect.
    `tolerance` is the number of frames by which both may differ, in either direction.
    """
    if expected is None or inspection.media != "video":
        return ()
    if inspection.frames is None:
        return (Defect("frames", f"none of {expected} frames could be counted"),)
    if abs(inspection.frames - expected) <= tolerance:
        return ()
    return (Defect("frames", f"{inspection.frames} of {expected} frames"),)
