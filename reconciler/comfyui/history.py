"""What an entry of GET /history says: how the prompt ended and which files it lists."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from comfy_node.contract import expected_frames
from reconciler.comfyui.fields import Misshapen, first_line, items, mapping, seconds, text
from reconciler.comfyui.promises import promises_of
from reconciler.comfyui.queue import queued_prompt
from reconciler.comfyui.values import EndedPrompt
from reconciler.core.evidence import Ending, EndKind, ListedFile, Source

_MAX_NAME_CHARS = 200
#: Longer paths cannot exist on any file system that ComfyUI writes to.
_MAX_PATH_CHARS = 4096
#: Nobody means more frames.
MAX_FRAMES = 10**9
#: Nodes of a run that are told to whoever learns from it.
MAX_NODES = 1000
#: What an entry consists of, in every version.
_PARTS = ("prompt", "outputs", "status")
_SILENT = "ComfyUI's history does not say how this prompt ended"

_MEMORY_TYPES = re.compile(r"(^|\.)(\w*OutOfMemory\w*|_?(Array)?MemoryError)$")
#: As torch says it for CUDA, HIP, XPU, MPS, cudaMallocAsync, DirectML and the host, and numpy.
_MEMORY_WORDS = re.compile(
    r"out of memory|allocation on device|(can't|cannot) allocate memory|ALLOC_FAILED"
    r"|could not allocate tensor|not enough (gpu |device |host )?memory"
    r"|unable to allocate .* array",
    re.IGNORECASE,
)


def ended_prompt(prompt_id: str, entry: object) -> EndedPrompt:
    """The entry of one prompt, whatever is odd about it.

    Raises `Misshapen` where it lacks what every version has: another shape may hide a success.
    """
    if not isinstance(entry, dict):
        raise Misshapen("the entry is no object")
    if missing := [key for key in _PARTS if key not in entry]:
        raise Misshapen(f"the entry has no {' and no '.join(map(repr, missing))}")
    said = _messages(entry)
    expected = _output_nodes(entry)
    cached = {node for node in items(said.get("execution_cached", {}).get("nodes")) if _is_id(node)}
    prompt = queued_prompt(entry.get("prompt"), "history", prompt_id)
    reused_nodes, all_reused = reused(expected, cached)
    ending = _ending(entry, said, expected, all_reused)
    files = tuple(replace(f, reused=f.node_id in reused_nodes) for f in ending.files)
    kept = tuple(sorted(text(node, _MAX_NAME_CHARS) or "" for node in cached))[:MAX_NODES]
    return EndedPrompt(prompt, replace(ending, files=files), reused_nodes, cached_nodes=kept)


def reused(output_nodes: set[str], cached: set[str]) -> tuple[frozenset[str], bool]:
    """The output nodes that were answered from the cache, and whether all of them were."""
    return frozenset(output_nodes & cached), bool(output_nodes) and output_nodes <= cached


def _ending(
    entry: dict[str, Any], said: dict[str, dict[str, Any]], expected: set[str], cached: bool
) -> Ending:
    kind = _kind(entry, said, expected)
    told = {
        EndKind.SUCCESS: said.get("execution_success", {}),
        EndKind.INTERRUPTED: said.get("execution_interrupted", {}),
    }.get(kind, said.get("execution_error", {}))
    exception_type = text(told.get("exception_type"), _MAX_NAME_CHARS)
    message = first_line(told.get("exception_message"))
    silent = kind is EndKind.ERROR and not _is_told(entry, said)
    return Ending(
        kind=kind,
        source=Source.HISTORY,
        files=listed_files(entry.get("outputs")),
        node_id=text(told.get("node_id"), _MAX_NAME_CHARS),
        node_type=text(told.get("node_type"), _MAX_NAME_CHARS),
        exception_type=exception_type,
        message=_SILENT if silent else message,
        out_of_memory=is_out_of_memory(exception_type, told.get("exception_message")),
        cached=cached,
        started_at=seconds(said.get("execution_start", {}).get("timestamp")),
        ended_at=seconds(told.get("timestamp")),
        expected_frames=_expected_frames(entry),
        promises=promises_of(([*items(entry.get("prompt")), *[None] * 3])[2]),
    )


def _kind(entry: dict[str, Any], said: dict[str, dict[str, Any]], expected: set[str]) -> EndKind:
    """How it ended. Bad news wins where an entry contradicts itself.

    An entry without any status is a success only if every output node that was to run has listed
    something: an error leaves the outputs of the nodes before it.
    """
    status = mapping(entry.get("status"))
    if "execution_interrupted" in said:
        return EndKind.INTERRUPTED
    if "execution_error" in said or status.get("status_str") == "error":
        return EndKind.ERROR
    if _is_told(entry, said):
        return EndKind.SUCCESS
    whole = bool(expected) and expected <= mapping(entry.get("outputs")).keys()
    return EndKind.SUCCESS if whole else EndKind.ERROR


def _is_told(entry: dict[str, Any], said: dict[str, dict[str, Any]]) -> bool:
    status = mapping(entry.get("status"))
    known = status.get("status_str") in ("success", "error") or status.get("completed") is True
    return known or "execution_success" in said or "execution_error" in said


def _messages(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The pairs `[name, data]` of `status.messages`, by name; the last of a name counts."""
    pairs = items(mapping(entry.get("status")).get("messages"))
    return {
        pair[0]: mapping(pair[1])
        for pair in pairs
        if isinstance(pair, list) and len(pair) >= 2 and isinstance(pair[0], str)
    }


def _expected_frames(entry: dict[str, Any]) -> int | None:
    parts = [*items(entry.get("prompt")), *[None] * 5]
    frames = expected_frames(parts[2])
    return frames if frames is not None and frames <= MAX_FRAMES else None


def _output_nodes(entry: dict[str, Any]) -> set[str]:
    """The output nodes that were to run; if all were cached, nothing above them ran either."""
    parts = [*items(entry.get("prompt")), *[None] * 5]
    return {node for node in items(parts[4]) if _is_id(node)}


def _is_id(node: object) -> bool:
    return isinstance(node, str)


def listed_files(outputs: object) -> tuple[ListedFile, ...]:
    """Every file that a prompt's outputs list, of every type and under every key.

    A file is an object with a `filename`. Files that a node names in passing (`workflow` and
    `fullpath` of VideoHelperSuite) are no outputs of their own.
    """
    return tuple(
        listed_file(str(node_id), str(kind), item)
        for node_id, output in mapping(outputs).items()
        for kind, listed in mapping(output).items()
        for item in items(listed)
        if isinstance(item, dict) and isinstance(item.get("filename"), str) and item["filename"]
    )


def listed_file(node_id: str, kind: str, item: dict[str, Any]) -> ListedFile:
    """One file that a node lists under the key `kind`, by its `filename`, `subfolder`, `type`."""

    # Halves of surrogate pairs stay: that is how a name that is no UTF-8 travels in JSON.
    def path(key: str, default: str) -> str:
        value = item.get(key)
        return (
            value[:_MAX_PATH_CHARS].replace("\0", "\ufffd") if isinstance(value, str) else default
        )

    return ListedFile(
        node_id=text(node_id, _MAX_NAME_CHARS) or "",
        filename=path("filename", ""),
        subfolder=path("subfolder", ""),
        # ComfyUI's GET /view takes the output directory where no type is given.
        type=text(item.get("type"), _MAX_NAME_CHARS) or "output",
        kind=text(kind, _MAX_NAME_CHARS) or "",
    )


def is_out_of_memory(exception_type: str | None, message: object) -> bool:
    """True if an exception says that the GPU's or the host's memory was not enough."""
    said = text(message, 10_000) or ""
    named = _MEMORY_TYPES.search(exception_type or "")
    return named is not None or _MEMORY_WORDS.search(said) is not None
