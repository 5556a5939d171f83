"""Outside text made fit for Postgres: it refuses NUL, and lone surrogates cannot be encoded."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

#: Longest text that goes into a row or an event, in characters.
MAX_TEXT = 4000


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """`text` without NUL and lone surrogates, cut to `limit` characters."""
    text = text[: limit + 1].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_json(value: object) -> object:
    """`value` as JSON that jsonb takes: texts cleaned, no NaN, mappings and sequences rebuilt."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {clean_text(str(k)): clean_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean_json(item) for item in value]
    return value


def path_bytes(path: Path) -> bytes:
    """A path as the file system has it: the key of an output."""
    return os.fsencode(path)


def path_from_bytes(raw: bytes) -> Path:
    """The inverse of `path_bytes`."""
    return Path(os.fsdecode(raw))
