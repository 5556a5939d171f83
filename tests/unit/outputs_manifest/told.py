"""A manifest with every key filled, as bytes."""

from __future__ import annotations

import json
from typing import Any

PROMPT = "11111111-1111-4111-8111-111111111111"
FILE: dict[str, Any] = {
    "node_id": "9",
    "kind": "gifs",
    "filename": "a_00001.mp4",
    "subfolder": "video",
    "type": "output",
    "size_bytes": 3_000_000_000,
    "mtime_ns": 1_790_000_000_123_456_789,
    "digest": "xxh3_128:06b05ab6733a618578af5f94892f3950",
}
FULL: dict[str, Any] = {
    "format": 1,
    "pack": "0.2.0",
    "boot_id": "b1",
    "prompt_id": PROMPT,
    "job_id": "42",
    "job_id_from": "node",
    "first_prompt_id": "p0",
    "kind": "success",
    "created_at": 1000.5,
    "started_at": 1001,
    "ended_at": 1060.25,
    "error": None,
    "outputs": [FILE],
    "nodes": {"3": {"type": "KSampler", "seconds": 50.25}, "9": {"type": "Save", "seconds": 2}},
    "cached_nodes": ["4"],
    "output_nodes": ["9", "12"],
    "graph_nodes": 5,
    "workflow": "0123456789abcdef",
    "sizes": {"width": 512, "height": 768, "frames": 72, "steps": 20},
    "expected_frames": 72,
}


def told(**changes: object) -> bytes:
    """The manifest with some values changed."""
    return json.dumps({**FULL, **changes}).encode()


def told_file(**changes: object) -> bytes:
    """The manifest with its only file changed."""
    return told(outputs=[{**FILE, **changes}])
