"""The child that decodes one still or one Pillow animation. Run as a script, never imported.

    python still_worker.py FILE ANSWER FORMAT MAX_PIXELS THUMBNAIL_PX NAME...

FILE and ANSWER are open descriptors; the answer is one JSON object. Standard library and Pillow
only, so that it starts fast and needs nothing of this package to be importable.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from PIL import Image, PngImagePlugin

#: Metadata beyond this cannot be read; a graph in `prompt` may well weigh megabytes.
MAX_TEXT_BYTES = 64 * 1024**2
#: Longer values are no ids.
MAX_VALUE_CHARS = 2000


class Refused(Exception):
    """The picture is not decoded; the arguments are the kind and the words of the defect."""


def main(arguments: list[str]) -> None:
    """Decode the picture and write the answer."""
    file, answer = int(arguments[0]), int(arguments[1])
    kind, most, thumbnail_px = arguments[2], int(arguments[3]), int(arguments[4])
    names = tuple(arguments[5:])
    seen: dict[str, Any] = {}
    try:
        with os.fdopen(file, "rb") as opened, Image.open(opened, formats=(kind,)) as image:
            _decode(image, seen, most, thumbnail_px)
            seen["tags"] = list(_tags(image, names))
    except MemoryError:
        seen["out_of_memory"] = True
    except Refused as error:
        seen["defect"] = error.args
    except Exception as error:  # whatever a decoder raises says that it cannot decode this
        seen["defect"] = ("decode", str(error)[:500] or type(error).__name__)
    with os.fdopen(answer, "w", encoding="ascii") as pipe:
        json.dump(seen, pipe)


def _decode(image: Image.Image, seen: dict[str, Any], most: int, thumbnail_px: int) -> None:
    seen["width"], seen["height"] = image.size
    _insist_small(image, most)
    frames = getattr(image, "n_frames", 1)
    shown_ms = 0.0
    for number in range(frames):
        image.seek(number)
        _insist_small(image, most)
        image.load()
        shown_ms += image.info.get("duration") or 0
        seen["frames"], seen["duration_s"] = number + 1, shown_ms / 1000
        if number == 0 and thumbnail_px:
            seen["thumbnail"] = _thumbnail(image, thumbnail_px)


def _insist_small(image: Image.Image, most: int) -> None:
    width, height = image.size
    if width * height > most:
        raise Refused("too_large", f"{width} x {height} pixels, more than the {most} allowed")


def _thumbnail(image: Image.Image, longest_px: int) -> str:
    small = image.copy()
    if small.mode.startswith("I;16"):
        small = small.point(lambda value: value / 256).convert("L")
    small.thumbnail((longest_px, longest_px))
    data = io.BytesIO()
    small.convert("RGB").save(data, "JPEG", quality=80)
    return base64.b64encode(data.getvalue()).decode("ascii")


def _tags(image: Image.Image, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Give the wanted pairs out of PNG text and out of EXIF values like `job_id:"42"`."""
    texts = dict(getattr(image, "text", None) or {})
    pairs = [(str(name), str(value)) for name, value in texts.items()]
    values = [value for value in image.getexif().values() if isinstance(value, str)]
    pairs += [(name, rest) for name, _, rest in (value.partition(":") for value in values)]
    for name, value in pairs:
        if name.lower() in names and len(value) <= MAX_VALUE_CHARS:
            yield name, value


if __name__ == "__main__":
    # Sizes are checked by ourselves, before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MAX_TEXT_BYTES
    main(sys.argv[1:])
