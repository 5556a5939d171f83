"""What a manifest says of a prompt that ended or was removed. All outside text is data."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .contract import (
    FROM_NODE,
    MANIFEST_FORMAT,
    MAX_MANIFEST_BYTES,
    NOTE_FIRST_PROMPT_ID,
    NOTE_JOB_ID_FROM,
    PACK_VERSION,
)
from .ledger import Running
from .tags import job_id_of, notes_of

#: Longest text of an error that is kept, in characters.
MAX_MESSAGE = 500
_MAX_NAME = 200
#: Keys that are dropped, the largest first, until a manifest is small enough.
_DISPENSABLE = ("outputs", "nodes", "cached_nodes", "output_nodes")


@dataclass(frozen=True)
class Item:
    """The parts of an entry of ComfyUI's queue that are needed here."""

    number: float | None
    prompt_id: str
    graph: dict[str, Any]
    extra_data: dict[str, Any]
    output_nodes: list[str]

    @classmethod
    def of(cls, entry: Any) -> Item:
        """Raises where the entry has no prompt id: then it is nothing that we know."""
        parts = entry if isinstance(entry, (tuple, list)) else ()
        number, prompt_id, graph, extra_data, outputs = (*parts, *[None] * 5)[:5]
        finite = isinstance(number, (int, float)) and abs(number) < float("inf")
        if not isinstance(prompt_id, str):
            raise TypeError(f"an item of the queue has a prompt id of type {type(prompt_id)}")
        return cls(
            number if finite else None,
            prompt_id,
            graph if isinstance(graph, dict) else {},
            extra_data if isinstance(extra_data, dict) else {},
            [node for node in _listed(outputs) if isinstance(node, str)],
        )

    @property
    def job_id(self) -> str | None:
        """The tag's job id."""
        return job_id_of(self.extra_data)

    @property
    def notes(self) -> dict[str, str]:
        """The pack's own notes on it."""
        return notes_of(self.extra_data)

    @property
    def clients_job_id(self) -> str | None:
        """The tag's job id, unless a Tag node named it: such a one may be a relic."""
        return None if self.notes.get(NOTE_JOB_ID_FROM) == FROM_NODE else self.job_id

    @property
    def created_at(self) -> float | None:
        """When ComfyUI says that the prompt was submitted, in seconds since the epoch."""
        stamp = self.extra_data.get("create_time")
        if isinstance(stamp, bool) or not isinstance(stamp, (int, float)):
            return None
        return stamp / 1000 if 0 < stamp < 1e15 else None


def base(item: Item, boot_id: str, kind: str, ended_at: float) -> dict[str, Any]:
    """Every key of a manifest: what is known of any prompt, and of a removed one all there is."""
    return {
        "format": MANIFEST_FORMAT,
        "pack": PACK_VERSION,
        "boot_id": boot_id,
        "prompt_id": item.prompt_id,
        "job_id": item.job_id,
        "job_id_from": item.notes.get(NOTE_JOB_ID_FROM),
        "first_prompt_id": item.notes.get(NOTE_FIRST_PROMPT_ID),
        "kind": kind,
        "created_at": item.created_at,
        "started_at": None,
        "ended_at": ended_at,
        "error": None,
        "outputs": [],
        "nodes": {},
        "cached_nodes": [],
        "output_nodes": item.output_nodes,
        "graph_nodes": len(item.graph),
        "workflow": None,
        "sizes": None,
        "expected_frames": None,
        "followed_by": [],
    }


def timings(running: Running, seconds: dict[str, float]) -> dict[str, dict[str, Any]]:
    """The manifest's `nodes`."""
    return {
        node_id: {"type": _text(running.node_type(node_id), _MAX_NAME), "seconds": round(spent, 6)}
        for node_id, spent in seconds.items()
    }


def kind_of(status: Any) -> str | None:
    """How the prompt ended by what `task_done` was told; None where that does not say it."""
    word = _field(status, "status_str")
    if word not in ("success", "error"):
        return None
    if word == "error" and any(name == "execution_interrupted" for name, _ in messages(status)):
        return "interrupted"
    return str(word)


def error_of(status: Any) -> dict[str, Any] | None:
    """The manifest's `error`."""
    found = [data for name, data in messages(status) if name == "execution_error"]
    if not found:
        return None
    data = found[-1]
    return {
        "node_id": _text(data.get("node_id"), _MAX_NAME),
        "node_type": _text(data.get("node_type"), _MAX_NAME),
        "exception_type": _text(data.get("exception_type"), _MAX_NAME),
        "message": _text(data.get("exception_message"), MAX_MESSAGE),
    }


def cached_nodes(status: Any) -> list[str]:
    """The manifest's `cached_nodes`."""
    found = [data.get("nodes") for name, data in messages(status) if name == "execution_cached"]
    return [node for nodes in found for node in _listed(nodes) if isinstance(node, str)]


def messages(status: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each of ComfyUI's messages; those of another shape are passed over."""
    for message in _listed(_field(status, "messages")):
        if isinstance(message, (list, tuple)) and len(message) == 2:
            name, data = message
            if isinstance(name, str) and isinstance(data, dict):
                yield name, data


def outputs_of(history_result: Any, real_root: str) -> list[dict[str, Any]] | None:
    """Every file that history will list, with size and time of those inside `real_root`, the
    output directory without links, which no name may lead out of. None where the result does not
    tell its outputs."""
    outputs = _field(history_result, "outputs")
    if not isinstance(outputs, dict):
        return None
    found = []
    folders: dict[str, str | None] = {}
    for node_id, key, entry in _listed_files(outputs):
        subfolder, kind = entry.get("subfolder"), entry.get("type")
        output = {
            "node_id": node_id,
            "kind": key,
            "filename": entry["filename"],
            "subfolder": subfolder if isinstance(subfolder, str) else "",
            "type": kind if isinstance(kind, str) else None,
            "size_bytes": None,
            "mtime_ns": None,
            "digest": None,
        }
        path = path_of(output, real_root, folders)
        if path is not None:
            told = _stat(path)
            output |= {} if told is None else told
        found.append(output)
    return found


def path_of(
    output: dict[str, Any], real_root: str, folders: dict[str, str | None] | None = None
) -> str | None:
    """The path of an output of type output; None for one that is not inside `real_root`.

    `folders` remembers what was found out of each folder.
    """
    if output["type"] != "output":
        return None
    folders = {} if folders is None else folders
    name, subfolder = output["filename"], output["subfolder"]
    folder, name = os.path.split(os.path.join(subfolder, name))
    if folder not in folders:
        folders[folder] = _real_folder(folder, real_root)
    real_folder = folders[folder]
    if real_folder is None or name in ("", os.curdir, os.pardir):
        return None
    path = os.path.join(real_folder, name)
    return _inside(path, real_root) if os.path.islink(path) else path


def encode(manifest: dict[str, Any]) -> bytes:
    """The manifest's bytes, at most `MAX_MANIFEST_BYTES` of them: what is too long becomes null."""
    told = dict(manifest)
    for key in (*_DISPENSABLE, None):
        content = json.dumps(told, separators=(",", ":"), allow_nan=False).encode()
        if len(content) <= MAX_MANIFEST_BYTES or key is None:
            break
        told[key] = None
    return content


def _real_folder(folder: str, real_root: str) -> str | None:
    """The folder of that name inside `real_root`; most have no link on the way."""
    path = real_root
    for part in folder.replace(os.altsep or os.sep, os.sep).split(os.sep) if folder else ():
        path = os.path.join(path, part)
        # A colon: on Windows that would be another drive.
        if part in ("", os.curdir, os.pardir) or ":" in part or os.path.islink(path):
            return _inside(os.path.join(real_root, folder), real_root)
    return path


def _inside(path: str, real_root: str) -> str | None:
    try:
        real = os.path.realpath(path)
        return real if os.path.commonpath([real, real_root]) == real_root else None
    except (OSError, ValueError):  # a NUL in a name, or another drive
        return None


def _stat(path: str) -> dict[str, int] | None:
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return {"size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}


def _listed_files(outputs: dict[Any, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for node_id, told in outputs.items():
        for key, entries in told.items() if isinstance(told, dict) else ():
            for entry in _listed(entries):
                if isinstance(entry, dict) and isinstance(entry.get("filename"), str):
                    yield str(node_id), str(key), entry


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, set)) else []


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _text(value: Any, limit: int) -> str | None:
    """The first line that says something, bounded, without control characters."""
    if not isinstance(value, str):
        return None
    for line in value[: 20 * limit].splitlines():
        if line.strip():
            return "".join(c if c.isprintable() else " " for c in line.strip()[:limit])
    return ""
