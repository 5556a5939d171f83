"""The files that pages load: styles, scripts, pictures.

Their addresses carry a digest of all of them, so that browsers keep them for a year and have the
new ones at once after an update. It is one digest, and not one for each file, since scripts name
each other by relative paths.
"""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, HTTPException
from starlette.responses import FileResponse

FOLDER = Path(str(files("reconciler.web") / "static"))
_YEAR = "public, max-age=31536000, immutable"
#: By the ending of its name; what has another is no file of ours.
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

router = APIRouter(include_in_schema=False)


@functools.cache
def _served() -> dict[str, Path]:
    """What there is, by its path below the folder: nothing else is ever opened."""
    found = (path for path in FOLDER.rglob("*") if path.suffix in _TYPES)
    return {path.relative_to(FOLDER).as_posix(): path for path in found}


@functools.cache
def digest() -> str:
    """Of all files together."""
    total = hashlib.sha256()
    for name, path in sorted(_served().items()):
        total.update(name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


def address(name: str) -> str:
    """The path at which a file is served: `css/layout.css`."""
    return f"/static/{digest()}/{name}"


@router.get("/static/{version}/{name:path}")
def static_file(version: str, name: str) -> FileResponse:
    """One of the files. A page of before an update asks with another digest, and gets it, too."""
    path = _served().get(name)
    if path is None:
        raise HTTPException(404, "There is no such file.")
    caching = _YEAR if version == digest() else "no-cache"
    return FileResponse(path, media_type=_TYPES[path.suffix], headers={"Cache-Control": caching})


@router.get("/favicon.ico")
def favicon() -> FileResponse:
    """For whoever asks without having read a page."""
    return FileResponse(FOLDER / "favicon.svg", media_type="image/svg+xml")
