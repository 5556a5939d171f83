"""What the node pack tells: its snapshot, its manifests, and the tags in its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comfy_node.contract import MANIFEST_DIR, SNAPSHOT_PATH, manifest_name
from tests.contract.talk import Server, wait_until


def snapshot(server: Server, **query: Any) -> dict[str, Any]:
    """The answer of the snapshot's route."""
    told: dict[str, Any] = server.json(SNAPSHOT_PATH, **query)
    return told


def ends_since(server: Server, before: dict[str, Any]) -> dict[str, str]:
    """By prompt: how each ended that ended after a snapshot, oldest first."""
    told = snapshot(server, boot=before["boot_id"], since=before["cursor"])
    return {end["prompt_id"]: end["kind"] for end in told["ended"]}


def output_dir(server: Server) -> Path:
    """Where the files appear; a real server's may be out of reach."""
    if server.output_dir is None:
        pytest.skip("COMFYUI_OUTPUT does not say where this ComfyUI's files appear")
    return server.output_dir


def manifest_path(server: Server, prompt_id: str) -> Path:
    """Where a prompt's manifest lies, if it has one."""
    return output_dir(server) / MANIFEST_DIR / manifest_name(prompt_id)


def wait_for_manifest(server: Server, prompt_id: str) -> dict[str, Any]:
    """The manifest of a prompt that has ended: history knows of it a moment earlier."""
    path = manifest_path(server, prompt_id)
    wait_until(path.exists, f"the manifest {path.name}")
    told: dict[str, Any] = json.loads(path.read_bytes())
    return told


def wait_for_digests(server: Server, prompt_id: str) -> list[dict[str, Any]]:
    """The outputs of a manifest, once every one has its digest."""

    def look() -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = wait_for_manifest(server, prompt_id)["outputs"]
        return outputs if outputs and all(each["digest"] for each in outputs) else []

    return wait_until(look, "the digests")


def listed_files(server: Server, entry: dict[str, Any]) -> list[Path]:
    """Paths of the files that a history entry lists, in its order."""
    return [
        output_dir(server) / file["subfolder"] / file["filename"]
        for outputs in entry["outputs"].values()
        for files in outputs.values()
        for file in files
        if isinstance(file, dict)
    ]
