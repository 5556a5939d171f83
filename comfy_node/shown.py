"""The newest picture that a running prompt has shown: kept as it came, encoded when asked for."""

from __future__ import annotations

import io
import threading
from typing import Any

from .contract import MAX_PREVIEW_BYTES, PREVIEW_PX

#: Numbers of ComfyUI's binary events (protocol.BinaryEventTypes).
PREVIEW_IMAGE, UNENCODED_PREVIEW_IMAGE, PREVIEW_IMAGE_WITH_METADATA = 1, 2, 4
#: How encoded pictures begin, and their types.
_TYPES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))
#: Before an encoded picture stand four bytes with its type, or what another pack puts there.
_HEAD_BYTES = 64
_QUALITY = 80


class Shown:
    """One picture. Encoding it takes milliseconds, once."""

    def __init__(self, picture: Any) -> None:
        """`picture`: a PIL image, or the bytes of an encoded one behind a short head."""
        self._picture = picture
        self._lock = threading.Lock()
        self._encoded: tuple[bytes, str] | None = None

    def encoded(self) -> tuple[bytes, str] | None:
        """Bytes and content type; None for what is no picture, or one too large."""
        with self._lock:
            if self._encoded is None and self._picture is not None:
                self._encoded = _encode(self._picture)
                self._picture = None
            return self._encoded


def shown_by(event: object, data: Any) -> tuple[str | None, Shown] | None:
    """The picture that a binary event carries, and its prompt's id where the event tells it."""
    if event == PREVIEW_IMAGE_WITH_METADATA:
        picture, metadata = data
        return metadata.get("prompt_id"), Shown(picture[1])
    if event == UNENCODED_PREVIEW_IMAGE:
        return None, Shown(data[1])
    if event == PREVIEW_IMAGE and len(data) <= MAX_PREVIEW_BYTES:
        return None, Shown(bytes(data))
    return None


def _encode(picture: Any) -> tuple[bytes, str] | None:
    if isinstance(picture, bytes):
        starts = ((picture[:_HEAD_BYTES].find(magic), kind) for magic, kind in _TYPES)
        return next(((picture[at:], kind) for at, kind in starts if at >= 0), None)
    small = picture.copy()
    small.thumbnail((PREVIEW_PX, PREVIEW_PX))
    data = io.BytesIO()
    small.convert("RGB").save(data, "JPEG", quality=_QUALITY)
    return (data.getvalue(), "image/jpeg") if data.tell() <= MAX_PREVIEW_BYTES else None
