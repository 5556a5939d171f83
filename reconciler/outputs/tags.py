"""The ids that ComfyUI's savers write into a file's metadata. Claims, bounded and never trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from comfy_node.contract import MAX_ID_LENGTH, TAG_JOB_ID, TAG_PROMPT_ID, tag_text

WANTED = (TAG_JOB_ID, TAG_PROMPT_ID)
#: Longer JSON is no id, and is not parsed.
MAX_JSON_CHARS = 8 * MAX_ID_LENGTH
#: One entry of an ffmetadata text; a backslash makes the next character, a line end too, literal.
_ENTRY = re.compile(rb"[^\\\n]*+(?:\\.[^\\\n]*+)*+\n", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def ids(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the wanted tags under their lower-case names; of two by one name the first counts.

    ComfyUI writes each value as JSON (`"42"`, `42`); plain text is taken as it is. A value that
    is no id (an object, something long, something that cannot be printed) is left out.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key in WANTED and key not in found and (text := _id(value)):
            found[key] = text
    return found


def _id(value: str) -> str | None:
    if len(value) > MAX_JSON_CHARS:
        return None
    try:
        return tag_text(json.loads(value))
    except (ValueError, RecursionError):
        return tag_text(value)


def from_ffmetadata(data: bytes) -> dict[str, str]:
    """Read the tags out of what ffmpeg's ffmetadata muxer wrote, the file's own before a stream's.

    The muxer escapes line ends inside values, so a prompt that contains `job_id=7` on a line of
    its own is not mistaken for a tag.
    """
    return ids(_pairs(data))


def _pairs(data: bytes) -> Iterable[tuple[str, str]]:
    names = tuple(name.encode() for name in WANTED)
    for entry in _ENTRY.finditer(data):
        if entry[0][:16].lower().startswith(names):
            key, _, value = entry[0][:-1].partition(b"=")
            yield (
                key.decode("utf-8", "replace"),
                _ESCAPE.sub(rb"\1", value).decode("utf-8", "replace"),
            )
