"""Manifests as the node pack writes them, of prompts that a test makes up."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from comfy_node.contract import MANIFEST_DIR, MANIFEST_FORMAT, PACK_VERSION, manifest_name
from reconciler.core.evidence import ListedFile
from reconciler.outputs.digest import new_hash


def manifest(prompt_id: str, kind: str = "success", *, at: float, **more: Any) -> dict[str, Any]:
    """What the pack says of a prompt that was submitted and ended at `at`."""
    return {
        "format": MANIFEST_FORMAT,
        "pack": PACK_VERSION,
        "boot_id": "b1",
        "prompt_id": prompt_id,
        "job_id": None,
        "kind": kind,
        "created_at": at,
        "started_at": None if kind == "removed" else at,
        "ended_at": at,
        "error": None,
        "outputs": [],
        "nodes": {"9": {"type": "SaveImage", "seconds": 0.25}},
        "cached_nodes": [],
        "output_nodes": ["9"],
        "graph_nodes": 2,
        "expected_frames": None,
        **more,
    }


def output(root: Path, file: ListedFile, *, digest: str | None = None) -> dict[str, Any]:
    """A file as the manifest lists it, by what is on disk now; `digest` names an algorithm."""
    path = root / file.subfolder / file.filename
    facts = path.stat()
    return {
        "node_id": file.node_id,
        "kind": file.kind,
        "filename": file.filename,
        "subfolder": file.subfolder,
        "type": file.type,
        "size_bytes": facts.st_size,
        "mtime_ns": facts.st_mtime_ns,
        "digest": None if digest is None else digest_of(path, digest),
    }


def digest_of(path: Path, algorithm: str) -> str:
    hashed = new_hash(algorithm)
    assert hashed is not None
    hashed.update(path.read_bytes())
    return f"{algorithm}:{hashed.hexdigest()}"


def write(root: Path, told: dict[str, Any] | bytes, name: str | None = None) -> Path:
    """Puts a manifest in place as the pack does: whole or not at all."""
    folder = root / MANIFEST_DIR
    folder.mkdir(exist_ok=True)
    if isinstance(told, bytes):
        content = told
    else:
        content, name = json.dumps(told).encode(), name or manifest_name(told["prompt_id"])
    assert name is not None
    temporary = folder / f".{name}.tmp"
    temporary.write_bytes(content)
    os.replace(temporary, folder / name)
    return folder / name
