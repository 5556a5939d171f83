"""Stills, animated webp and animated png: decoded by Pillow, whole, in this very process.

A crash of Pillow's is a crash of the process: the service inspects in a worker (see `pool`).
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from PIL import Image, PngImagePlugin

from reconciler.errors import InspectionError
from reconciler.outputs.content import near_empty
from reconciler.outputs.inspection import Defect
from reconciler.outputs.limits import Limits
from reconciler.outputs.progress import OnProgress, Progress
from reconciler.outputs.tags import WANTED, ids
from reconciler.outputs.text import printable
from reconciler.outputs.wanted import Wanted

#: Text of a png beyond this cannot be read; a graph in `prompt` may well weigh megabytes.
MAX_TEXT_BYTES = 64 * 1024**2
#: Longer values are no ids.
MAX_VALUE_CHARS = 2000


@dataclass(slots=True)
class Still:
    """What Pillow made of a file, filled in while it decodes."""

    #: Frames decoded so far.
    frames: int | None = None
    width: int | None = None
    height: int | None = None
    #: Seconds that an animation lasts; 0 for a still.
    duration_s: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)
    thumbnail: bytes | None = None
    defects: tuple[Defect, ...] = ()
    warnings: tuple[Defect, ...] = ()


class Refused(Exception):
    """The picture is not decoded; the message says why."""


def decode_still(
    file: int, kind: str, limits: Limits, wanted: Wanted, on_progress: OnProgress | None = None
) -> Still:
    """Decode the open file `file` as Pillow's format `kind`, every frame of it.

    Raises InspectionError where that needs more memory than this process may use.
    """
    # Sizes are checked here, before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MAX_TEXT_BYTES
    seen = Still()
    try:
        with warnings.catch_warnings(), os.fdopen(os.dup(file), "rb") as opened:
            warnings.simplefilter("ignore")
            opened.seek(0)
            with Image.open(opened, formats=(kind,)) as image:
                _decode(image, seen, limits, wanted, on_progress)
                seen.tags = ids(_tags(image))
    except MemoryError as error:
        most = limits.memory_bytes // 1024**2
        raise InspectionError(f"decoding needs more than the {most} MiB it may use") from error
    except Refused as error:
        seen.defects = (Defect("too_large", str(error)),)
    except Exception as error:  # whatever a decoder raises says that it cannot decode this
        seen.defects = (Defect("decode", printable(str(error)) or type(error).__name__),)
    return seen


def _decode(
    image: Image.Image, seen: Still, limits: Limits, wanted: Wanted, on_progress: OnProgress | None
) -> None:
    seen.width, seen.height = image.size
    insist_small(image, limits.max_pixels)
    shown_ms, count = 0.0, getattr(image, "n_frames", 1)
    for number in range(count):
        image.seek(number)
        insist_small(image, limits.max_pixels)
        image.load()
        shown_ms += image.info.get("duration") or 0
        seen.frames, seen.duration_s = number + 1, shown_ms / 1000
        if number == 0 and wanted.thumbnail:
            seen.thumbnail = _thumbnail(image, limits.thumbnail_px)
        if count == 1 and wanted.near_empty:
            seen.warnings = near_empty(image)
        if on_progress is not None:
            on_progress(Progress(seen.duration_s, seen.frames))


def insist_small(image: Image.Image, most: int) -> None:
    """Raises Refused for a picture of more than so many pixels."""
    width, height = image.size
    if width * height > most:
        raise Refused(f"{width} x {height} pixels, more than the {most} allowed")


def _thumbnail(image: Image.Image, longest_px: int) -> bytes:
    data = io.BytesIO()
    shrunk(image, longest_px).save(data, "JPEG", quality=80)
    return data.getvalue()


def shrunk(image: Image.Image, longest_px: int) -> Image.Image:
    """The frame at which the picture stands, so small at most, in plain colors."""
    small = image.copy()
    if small.mode.startswith("I;16"):
        small = small.point(lambda value: value / 256).convert("L")
    small.thumbnail((longest_px, longest_px))
    return small.convert("RGB")


def _tags(image: Image.Image) -> Iterator[tuple[str, str]]:
    """Give the wanted pairs out of PNG text and out of EXIF values like `job_id:"42"`."""
    texts = dict(getattr(image, "text", None) or {})
    pairs = [(str(name), str(value)) for name, value in texts.items()]
    values = [value for value in image.getexif().values() if isinstance(value, str)]
    pairs += [(name, rest) for name, _, rest in (value.partition(":") for value in values)]
    for name, value in pairs:
        if name.lower() in WANTED and len(value) <= MAX_VALUE_CHARS:
            yield name, value
