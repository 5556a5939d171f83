"""A picture of a film, a contact sheet or a short animation, made where it is decoded: in a worker.

What comes out is bounded, and encoded anew by Pillow: nothing of the file's own bytes is in it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from PIL import Image

from reconciler.errors import InspectionError
from reconciler.outputs.containers.base import Source
from reconciler.outputs.foreign import Unjudged
from reconciler.outputs.inspection import Defect
from reconciler.outputs.limits import Limits
from reconciler.outputs.picked import Pick, picked
from reconciler.outputs.sniff import HEAD_BYTES, sniff

#: A worker's answer has room for so much (see `wire`).
MAX_BYTES = 2 * 1024**2
#: Pixels between the frames of a sheet, and the color that is seen there.
_GAP_PX, _GAP_COLOR = 4, (24, 24, 24)
#: The first that fits is taken: noise needs far more bytes than a film does. Where none does, the
#: frames are made half as large, and once more.
_QUALITIES = (80, 40)
_TRIES = 3
#: What a film lasts of which nobody knows.
_USUAL_FPS = 8.0


class PictureKind(StrEnum):
    """What can be made of a film."""

    #: Frames evenly over the film, side by side, as JPEG.
    SHEET = "sheet"
    #: The film in a few seconds, as animated WebP.
    ANIMATION = "animation"


@dataclass(frozen=True, slots=True)
class PictureOrder:
    """What is to be made of a file, of which an inspection has told frames and seconds."""

    kind: PictureKind
    #: Frames of the file; 1 for a still.
    frames: int
    #: Seconds that it lasts; None where that is not known.
    duration_s: float | None
    #: How many frames are shown at most.
    shown: int
    #: Longest side of each, in pixels.
    longest_px: int
    #: Seconds that an animation lasts at most.
    lasts_s: float = 4.0


def order_of(message: Mapping[str, Any]) -> PictureOrder:
    """The order that a message holds (`dataclasses.asdict` of one)."""
    return PictureOrder(**{**message, "kind": PictureKind(message["kind"])})


def make_picture(file: int, order: PictureOrder, limits: Limits) -> bytes:
    """Decode some frames of the open file `file`, and make a picture of them.

    Raises InspectionError where that cannot be done; the message says why.
    """
    known = sniff(Source(file, os.fstat(file).st_size).head(HEAD_BYTES))
    if isinstance(known, Defect):
        raise InspectionError(known.detail)
    if isinstance(known, Unjudged):
        raise InspectionError(known.reason)
    pick = Pick(order.frames, order.duration_s, order.shown, order.longest_px)
    frames = picked(file, known, pick, limits)
    draw = _sheet if order.kind is PictureKind.SHEET else _animation
    for _ in range(_TRIES):
        if (picture := draw(frames, order)) is not None:
            return picture
        frames = [frame.reduce(2) for frame in frames]
    raise InspectionError(f"its picture would have more than {MAX_BYTES} bytes")


def _sheet(frames: Sequence[Image.Image], order: PictureOrder) -> bytes | None:
    """Rows as they are read; as wide as it is high, or wider."""
    width, height = frames[0].size
    columns = min(len(frames), 4 if width >= height else 6)
    rows = -(-len(frames) // columns)
    step_x, step_y = width + _GAP_PX, height + _GAP_PX
    sheet = Image.new("RGB", (columns * step_x - _GAP_PX, rows * step_y - _GAP_PX), _GAP_COLOR)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        sheet.paste(_same_size(frame, frames[0]), (column * step_x, row * step_y))
    return _fitting(sheet, "JPEG")


def _animation(frames: Sequence[Image.Image], order: PictureOrder) -> bytes | None:
    lasts_s = min(order.duration_s or len(frames) / _USUAL_FPS, order.lasts_s)
    each_ms = max(20, round(1000 * lasts_s / len(frames)))
    rest = [_same_size(frame, frames[0]) for frame in frames[1:]]
    return _fitting(
        frames[0], "WEBP", save_all=True, append_images=rest, duration=each_ms, loop=0, method=2
    )


def _same_size(frame: Image.Image, first: Image.Image) -> Image.Image:
    """A film may change its size on the way."""
    return frame if frame.size == first.size else frame.resize(first.size)


def _fitting(picture: Image.Image, form: str, **how: object) -> bytes | None:
    for quality in _QUALITIES:
        data = io.BytesIO()
        picture.save(data, form, quality=quality, **how)
        if data.tell() <= MAX_BYTES:
            return data.getvalue()
    return None
