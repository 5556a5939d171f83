"""What an inspection says about one output file: values, and their form as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

#: Raised whenever the same file may get another verdict than before: what an older version said is
#: not believed for ever (`reconcile.files`).
CHECKS_VERSION = 1

Media = Literal["video", "image", "audio", "unknown"]


class Verdict(StrEnum):
    """What is to be thought of a file, expectations apart."""

    SOUND = "sound"
    UNSOUND = "unsound"
    #: Nothing here can decode it: neither sound nor unsound.
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong with a file, or, among its warnings, that a person should know.

    `kind` is one word for programs: empty, not_media, unsupported, extension, structure, decode,
    frames, duration, too_large, and of content black, frozen, silent, near_empty. `detail` says it
    to a person: "71 of 72 frames", "moov box missing".
    """

    kind: str
    detail: str
    #: Byte of the file at which it was noticed, and second of the film; None where not known.
    offset: int | None = None
    at_s: float | None = None


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
    #: Whether it holds sound; None where that was not found out.
    has_audio: bool | None = None
    defects: tuple[Defect, ...] = ()
    #: Flags of its content, which make no sound file unsound.
    warnings: tuple[Defect, ...] = ()
    #: Why it cannot be judged, in words; None where it can.
    unjudged: str | None = None
    #: A JPEG of the first picture.
    thumbnail: bytes | None = field(default=None, repr=False)

    @property
    def verdict(self) -> Verdict:
        """What is wrong outranks what cannot be judged; expectations are not asked here."""
        if self.defects:
            return Verdict.UNSOUND
        return Verdict.SOUND if self.unjudged is None else Verdict.UNJUDGED

    @property
    def sound(self) -> bool:
        """True where the file was judged, and nothing is wrong with it."""
        return self.verdict is Verdict.SOUND


def to_json(inspection: Inspection) -> dict[str, Any]:
    """An inspection as JSON values, without its path and thumbnail, which go beside it."""
    values = asdict(replace(inspection, thumbnail=None, tags=dict(inspection.tags)))
    del values["path"], values["thumbnail"]
    return values


def from_json(path: Path, stored: Mapping[str, Any]) -> Inspection:
    """The inverse of `to_json`. Raises TypeError for what is none."""
    values = dict(stored)
    for name in ("defects", "warnings"):
        values[name] = tuple(Defect(**each) for each in values.get(name, ()))
    return Inspection(path=path, **values)
