"""A file name prefix that belongs to one job alone.

ComfyUI numbers files by what already lies in the folder: a series is `prefix`, `_`, number. So the
prefix begins with the job id in a spelling without `_`, and no other job's prefix can begin with
that and `_`: neither the numbers nor the names of two jobs ever mix.
"""

from __future__ import annotations

import hashlib
import re
import time

#: An id that stands in a name as it is. No capitals: Windows and macOS take `A` and `a` for one.
_PLAIN_ID = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")
_ODD_IN_ID = re.compile(r"[^0-9a-z]+")
_ID_LENGTH, _DIGEST_LENGTH = 40, 12

#: What ComfyUI's savers replace themselves; what is replaced here; a `%` that is neither.
_TOKEN = re.compile(r"%(?:year|month|day|hour|minute|second|width|height)%|%[YmdHMSj]|%")
_ODD_IN_TEXT = re.compile(r"[^\w. %-]")
#: Names that Windows keeps for devices, with any extension.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
#: In characters, of up to 4 bytes each: a file name has 255 bytes.
_NAME_LENGTH, _FOLDER_LENGTH = 40, 60
_MAX_FOLDERS = 8


def job_prefix(job_id: str, name: str, subfolder: str, at: time.struct_time) -> str:
    """The relative path `<subfolder>/<job id>_<name>`, always below the output directory.

    In `name` and `subfolder`, %Y %m %d %H %M %S %j become the date and time `at`.
    """
    folders = [_text(part, _FOLDER_LENGTH, at) for part in re.split(r"[/\\]", subfolder)]
    words = [id_in_a_name(job_id), _text(name, _NAME_LENGTH, at)]
    path = [folder for folder in folders if folder][:_MAX_FOLDERS]
    return "/".join([*path, "_".join(word for word in words if word)])


def id_in_a_name(job_id: str) -> str:
    """The job id as part of a file name: lower-case letters, digits and `-` as they are.

    Any other id is replaced by what is left of it, `~`, and the start of its sha256, so that two
    ids never share a spelling.
    """
    if _PLAIN_ID.fullmatch(job_id):
        return job_id
    digest = hashlib.sha256(job_id.encode("utf-8", "surrogatepass")).hexdigest()
    readable = _ODD_IN_ID.sub("-", job_id.lower()[:_ID_LENGTH]).strip("-")
    return f"{readable or 'job'}~{digest[:_DIGEST_LENGTH]}"


def _text(text: str, length: int, at: time.struct_time) -> str:
    """One part of a path: nothing that leads out of it, hides it, or that Windows refuses."""
    dated = _TOKEN.sub(lambda token: _dated(token[0], at), text[:length])
    plain = _ODD_IN_TEXT.sub("_", dated).strip(". ")
    return f"_{plain}" if _DEVICE.match(plain) else plain


def _dated(token: str, at: time.struct_time) -> str:
    if token == "%":  # noqa: S105 - no password
        return "_"
    return token if token.endswith("%") else time.strftime(token, at)
