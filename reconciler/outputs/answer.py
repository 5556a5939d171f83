"""A worker's answer: what of it is believed.

The worker has held an untrusted file, which may have taken it over. So its answer has to have the
right form, its words are escaped again, and what identifies the file is never taken from it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace

from pydantic import TypeAdapter

from reconciler.errors import InspectionError
from reconciler.outputs.inspection import Defect, Inspection, to_json
from reconciler.outputs.progress import Progress
from reconciler.outputs.tags import ids
from reconciler.outputs.text import printable
from reconciler.outputs.wire import Message

MAX_DEFECTS = 200
MAX_DETAIL_CHARS = 1000
#: No film has more seconds or frames; what compares with nothing (NaN) is out of bounds, too.
_MOST = 1e12
_JPEG = b"\xff\xd8\xff"

_INSPECTION = TypeAdapter(Inspection)
_PROGRESS = TypeAdapter(Progress)


def unpack(message: Message, file: Inspection) -> Inspection:
    """Read a worker's answer about `file`, of which only path, size, time and inode are asked.

    Raises InspectionError where the worker says that it could not inspect it, or nothing usable.
    """
    if isinstance(failed := message.get("failed"), str):
        raise InspectionError(printable(failed, MAX_DETAIL_CHARS))
    try:
        picture = base64.b64decode(message["thumbnail"] or "", validate=True)
        told = _INSPECTION.validate_python(
            {
                **message["inspection"],
                "path": file.path,
                "size_bytes": file.size_bytes,
                "mtime_ns": file.mtime_ns,
                "inode": file.inode,
                "thumbnail": picture if picture.startswith(_JPEG) else None,
            }
        )
        json.dumps(to_json(told), allow_nan=False)  # Postgres has no infinity in its JSON
    except (LookupError, TypeError, ValueError) as error:
        reason = printable(str(error))
        raise InspectionError(f"the inspecting process gave no usable answer: {reason}") from error
    return _escaped(told)


def unpack_picture(message: Message) -> bytes:
    """Read a worker's answer to an order of a picture. Raises as `unpack`."""
    if isinstance(failed := message.get("failed"), str):
        raise InspectionError(printable(failed, MAX_DETAIL_CHARS))
    try:
        picture = base64.b64decode(message["picture"], validate=True)
    except (LookupError, TypeError, ValueError) as error:
        reason = printable(str(error))
        raise InspectionError(f"the inspecting process gave no usable answer: {reason}") from error
    if not (picture.startswith(_JPEG) or (picture[:4], picture[8:12]) == (b"RIFF", b"WEBP")):
        raise InspectionError("the inspecting process gave no usable answer: it is no picture")
    return picture


def progress_of(message: Message) -> Progress | None:
    """Read a worker's report of its progress; None where it is none."""
    try:
        told = _PROGRESS.validate_python(message["progress"])
    except (LookupError, ValueError):
        return None
    numbers = [number for number in asdict(told).values() if number is not None]
    return told if all(0 <= number <= _MOST for number in numbers) else None


def _escaped(told: Inspection) -> Inspection:
    return replace(
        told,
        codec=_word(told.codec),
        container=_word(told.container),
        unjudged=_word(told.unjudged),
        tags=ids(told.tags.items()),
        defects=tuple(map(_defect, told.defects[:MAX_DEFECTS])),
        warnings=tuple(map(_defect, told.warnings[:MAX_DEFECTS])),
    )


def _word(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _defect(defect: Defect) -> Defect:
    detail = printable(defect.detail, MAX_DETAIL_CHARS)
    return replace(defect, kind=printable(defect.kind), detail=detail)
