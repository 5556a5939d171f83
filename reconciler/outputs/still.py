"""Stills, animated webp and animated png: decoded by Pillow, whole, in a child process."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.errors import InspectionError
from reconciler.outputs.child import STDERR, Child, run
from reconciler.outputs.inspection import Defect
from reconciler.outputs.limits import Limits
from reconciler.outputs.sinks import Head
from reconciler.outputs.tags import WANTED, ids
from reconciler.outputs.text import printable

WORKER = Path(__file__).with_name("still_worker.py")
#: A thumbnail of 320 pixels weighs some 20 kB.
MAX_ANSWER_BYTES = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Still:
    """What Pillow made of a file."""

    frames: int | None = None
    width: int | None = None
    height: int | None = None
    #: Seconds that an animation lasts; 0 for a still.
    duration_s: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)
    thumbnail: bytes | None = None
    defects: tuple[Defect, ...] = ()


def decode_still(file: int, kind: str, limits: Limits, *, thumbnail: bool) -> Still:
    """Decode the open file `file` as Pillow's format `kind`, every frame of it.

    Raises InspectionError where the child cannot be run, or goes beyond a limit.
    """
    answer, errors = Head(MAX_ANSWER_BYTES), Head(limits.max_stderr_bytes)
    pixels = str(limits.thumbnail_px if thumbnail else 0)

    def command(fds: Mapping[str, int]) -> list[str]:
        python = [sys.executable, "-P", "-B", "-W", "ignore", str(WORKER)]
        what = [str(file), str(fds["answer"]), kind, str(limits.max_pixels), pixels]
        return [*python, *what, *WANTED]

    status = run(Child(command, {STDERR: errors, "answer": answer}, file), limits)
    if status < 0:
        return Still(defects=(Defect("decode", f"the decoder crashed on it (signal {-status})"),))
    return _read(answer.data, errors.data, limits)


def _read(answer: bytes, errors: bytes, limits: Limits) -> Still:
    """Read the worker's answer; it is ours, and yet it has held an untrusted file."""
    try:
        seen = json.loads(answer)
        if seen.get("out_of_memory"):
            wanted = limits.memory_bytes // 1024**2
            raise InspectionError(f"decoding needs more than the {wanted} MiB it may use")
        return _still(seen)
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        said = printable(errors.decode("utf-8", "backslashreplace").strip()[-200:])
        raise InspectionError(f"the picture decoder gave no usable answer: {said}") from error


def _still(seen: dict[str, Any]) -> Still:
    defect = seen.get("defect")
    picture = seen.get("thumbnail")
    return Still(
        frames=seen.get("frames"),
        width=seen.get("width"),
        height=seen.get("height"),
        duration_s=float(seen.get("duration_s", 0)),
        tags=ids((str(name), str(value)) for name, value in seen.get("tags", ())),
        thumbnail=base64.b64decode(picture) if picture else None,
        defects=(Defect(str(defect[0]), printable(str(defect[1]))),) if defect else (),
    )
