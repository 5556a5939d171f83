"""Output files, and those that are nobody's."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from reconciler.core.evidence import FileState
from reconciler.web.api.models.base import Instant, Shape, example

OUTPUT: dict[str, Any] = {
    "id": "0f3c9a5e7b1d4c6a8e2f0b9d7c5a3e1f",
    "path": "/srv/comfy/output/video/film_00001_.mp4",
    "server": "gpu1",
    "prompt_id": "6a1f0e5e-5f0b-4b0c-9c58-8a4f7d7c9a10",
    "sound": True,
    "verdict": "sound",
    "identical_to": None,
    "confirmed": False,
    "inspected_at": "2026-11-30T22:09:11.300+00:00",
    "media": "video",
    "size_bytes": 1843200,
    "frames": 72,
    "fps": 24.0,
    "duration_s": 3.0,
    "width": 832,
    "height": 480,
    "codec": "h264",
    "container": "mp4",
    "defects": [],
}
ORPHAN: dict[str, Any] = {
    "path": "/srv/comfy/output/ComfyUI_00042_.png",
    "server": "gpu1",
    "size_bytes": 1048576,
    "changed_at": "2026-11-30T21:00:00.000+00:00",
    "exists": True,
    "sound": True,
    "verdict": "sound",
    "why": "unclaimed",
    "detail": "nothing says whose it is",
    "claimed_by": [],
    "tag": {"job_id": None, "prompt_id": None},
    "name": {"job_id": None, "prompt_id": None},
}


class Output(Shape):
    """An output file, with what its inspection found: size, frames, codec, defects and more."""

    model_config = example(**OUTPUT)

    id: str | None = Field(None, description="Its id in `/outputs/{id}/file` and the previews.")
    job_id: str | None = Field(None, description="Whose it is; null for nobody's.")
    path: str
    server: str
    prompt_id: str | None
    sound: bool
    verdict: FileState
    identical_to: str | None = Field(description="The digest in its manifest that it has.")
    confirmed: bool = Field(description="Damaged still when inspected again later.")
    inspected_at: Instant | None


class Claim(Shape):
    """Whom something names."""

    job_id: str | None
    prompt_id: str | None


class Orphan(Shape):
    """A file that is nobody's."""

    model_config = example(**ORPHAN)

    path: str
    server: str
    size_bytes: int
    changed_at: Instant
    exists: bool | None = Field(description="Whether it is still there; null: cannot be seen here.")
    sound: bool
    verdict: FileState
    why: str
    detail: str = Field(description="Why it is nobody's, in a sentence.")
    claimed_by: list[str] = Field(description="The jobs that it could be of.")
    tag: Claim
    name: Claim
