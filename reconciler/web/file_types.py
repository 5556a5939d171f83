"""What a browser is told of a file: by what it is, and never by its name."""

from __future__ import annotations

from urllib.parse import quote

from reconciler.outputs.text import printable
from reconciler.store.output_ids import KnownOutput

#: By the container that the inspection recognised. What is not here is a download: no browser is
#: to make anything of it.
_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "matroska": "video/x-matroska",
    "avi": "video/x-msvideo",
    "mpegts": "video/mp2t",
    "ogg": "video/ogg",
    "m4a": "audio/mp4",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "gif": "image/gif",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
}
_DOWNLOAD = "application/octet-stream"
_MAX_NAME_CHARS = 200


def media_type(output: KnownOutput) -> str:
    """Its content type."""
    container, media = output.inspection.get("container"), output.inspection.get("media")
    if container == "ogg" and media == "audio":
        return "audio/ogg"
    return _TYPES.get(str(container), _DOWNLOAD)


def shown_name(output: KnownOutput) -> str:
    """The value of Content-Disposition: media are shown in place, all else is a download."""
    name = printable(output.path.name, _MAX_NAME_CHARS)
    plain = "".join(c if c.isascii() and c not in '"\\%;' else "_" for c in name)
    how = "attachment" if media_type(output) == _DOWNLOAD else "inline"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
