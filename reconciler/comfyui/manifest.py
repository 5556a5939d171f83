"""What a manifest of the node pack says (see `comfy_node.contract`): a claim, read strictly.

Whoever may write to the output directory may forge one, so half a manifest is none: a value of
another type than the contract names makes the whole of it unusable.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

from comfy_node.contract import KINDS, MANIFEST_FORMAT, tag_text
from reconciler.comfyui.fields import (
    LATEST_S,
    MAX_ID_CHARS,
    Misshapen,
    first_line,
    instant,
    items,
    mapping,
    number,
    text,
    whole,
)
from reconciler.comfyui.history import MAX_FRAMES, MAX_NODES, is_out_of_memory, listed_file, reused
from reconciler.comfyui.values import EndedPrompt, QueuedPrompt
from reconciler.comfyui.works import told_work
from reconciler.core.evidence import Ending, EndKind, ListedFile, NodeRun, Source

#: Nodes whose run is kept, the longest first.
MAX_NODE_RUNS = 16
#: Follow-ups of one prompt that are believed: a batch manager queues one at a time.
MAX_FOLLOW_UPS = 100
#: No file has more bytes, and none is younger by its nanoseconds.
_MOST = 2**63 - 1
#: ComfyUI notes the end of a prompt, and the pack writes its manifest, within so many seconds.
_LATER_S = 60.0
#: A digest is no longer, in characters, its algorithm included.
_MAX_DIGEST_CHARS = 300
_MAX_NAME_CHARS = 200
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One prompt's manifest. Times are seconds since the epoch by ComfyUI's clock."""

    ended: EndedPrompt
    #: The life of ComfyUI's process that wrote it.
    boot_id: str | None = None
    #: False: it was too large to name the outputs, so what there was is not known.
    lists_files: bool = True

    @property
    def began_at(self) -> float | None:
        """When its prompt was submitted, or else the earliest instant that is known of it."""
        ending = self.ended.ending
        times = (self.ended.prompt.created_at, ending.started_at, ending.ended_at)
        return next((time for time in times if time is not None), None)

    @property
    def tells_the_end(self) -> bool:
        """False for a success without its files: of them nothing could be concluded."""
        return self.lists_files or self.ended.ending.kind is not EndKind.SUCCESS


def parse_manifest(data: bytes) -> Manifest:
    """A manifest from the bytes of its file. Raises `Misshapen`."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Misshapen("it is no JSON that can be read") from error
    if not isinstance(told, dict):
        raise Misshapen("it is no JSON object")
    if told.get("format") != MANIFEST_FORMAT or isinstance(told["format"], bool):
        raise Misshapen(f"its format is not {MANIFEST_FORMAT}")
    if told.get("kind") not in KINDS:
        raise Misshapen("it has no kind of end")
    return _manifest(told)


def _manifest(told: dict[str, Any]) -> Manifest:
    prompt_id = told.get("prompt_id")
    if not isinstance(prompt_id, str) or not 0 < len(prompt_id) <= MAX_ID_CHARS:
        raise Misshapen("it names no prompt")
    expected = _ids(told, "output_nodes")
    cached_nodes = _ids(told, "cached_nodes")
    reused_nodes, all_reused = reused(expected, cached_nodes)
    workflow, sizes = told_work(told)
    prompt = QueuedPrompt(
        prompt_id=prompt_id,
        number=0.0,
        job_id=_optional(told, "job_id", tag_text),
        output_nodes=len(expected) if told.get("output_nodes") is not None else None,
        graph_nodes=_optional(told, "graph_nodes", whole),
        created_at=_optional(told, "created_at", instant),
        job_id_from=_optional(told, "job_id_from", lambda value: text(value, _MAX_NAME_CHARS)),
        first_prompt_id=_optional(told, "first_prompt_id", lambda v: text(v, MAX_ID_CHARS)),
        workflow=workflow,
        sizes=sizes,
    )
    files = _files(told, reused_nodes)
    return Manifest(
        EndedPrompt(
            prompt,
            _ending(told, files or (), all_reused),
            reused_nodes,
            tuple(sorted(_ids(told, "followed_by")))[:MAX_FOLLOW_UPS],
            ran=None if told.get("nodes") is None else _node_runs(told["nodes"]),
            cached_nodes=tuple(sorted(cached_nodes))[:MAX_NODES],
        ),
        boot_id=_optional(told, "boot_id", lambda value: text(value, MAX_ID_CHARS)),
        lists_files=files is not None,
    )


def _ending(told: dict[str, Any], files: tuple[ListedFile, ...], cached: bool) -> Ending:
    error = _optional(told, "error", lambda value: mapping(value) or None) or {}
    kind = EndKind(told["kind"])
    exception_type = text(error.get("exception_type"), _MAX_NAME_CHARS)
    return Ending(
        kind=kind,
        source=Source.MANIFEST,
        files=files,
        node_id=text(error.get("node_id"), _MAX_NAME_CHARS),
        node_type=text(error.get("node_type"), _MAX_NAME_CHARS),
        exception_type=exception_type,
        message=first_line(error.get("message")),
        out_of_memory=is_out_of_memory(exception_type, error.get("message")),
        cached=cached and kind is EndKind.SUCCESS,
        started_at=_optional(told, "started_at", instant),
        ended_at=_optional(told, "ended_at", instant),
        expected_frames=_optional(told, "expected_frames", _frames),
        node_runs=_longest(_node_runs(told.get("nodes"))),
    )


def _files(told: dict[str, Any], reused_nodes: frozenset[str]) -> tuple[ListedFile, ...] | None:
    if told.get("outputs") is None:
        return None
    listed = told["outputs"]
    if not isinstance(listed, list):
        raise Misshapen("its outputs are no list")
    files = [_file(item) for item in listed if mapping(item).get("filename") != ""]
    return tuple(replace(file, reused=file.node_id in reused_nodes) for file in files)


def _file(item: object) -> ListedFile:
    """One output. One that cannot be read is no reason to do with fewer: it raises."""
    if not isinstance(item, dict) or not isinstance(item.get("filename"), str):
        raise Misshapen("one of its outputs has no file name")
    known = listed_file(str(item.get("node_id", "")), str(item.get("kind", "")), item)
    return replace(
        known,
        size_bytes=_optional(item, "size_bytes", lambda value: _whole(value, _MOST)),
        mtime_ns=_optional(item, "mtime_ns", lambda value: _whole(value, _MOST)),
        digest=_optional(item, "digest", lambda value: text(value, _MAX_DIGEST_CHARS)),
    )


def _node_runs(told: object) -> tuple[NodeRun, ...]:
    """To learn from, and for a person to read, so what cannot be read is left out."""
    runs = (
        NodeRun(
            text(node_id, _MAX_NAME_CHARS) or "",
            text(mapping(run).get("type"), _MAX_NAME_CHARS) or "",
            round(seconds, 3),
        )
        for node_id, run in mapping(told).items()
        if 0 <= (seconds := number(mapping(run).get("seconds")) or -1.0) < LATEST_S
    )
    return tuple(islice(runs, MAX_NODES))


def _longest(runs: tuple[NodeRun, ...]) -> tuple[NodeRun, ...]:
    return tuple(sorted(runs, key=lambda run: -run.seconds)[:MAX_NODE_RUNS])


def with_manifest(ended: EndedPrompt, manifest: Manifest) -> EndedPrompt:
    """What history tells, with what only the manifest of the same run knows."""
    told = manifest.ended.ending
    known = {_place(file): file for file in told.files}
    files = tuple(_as_written(file, known.get(_place(file))) for file in ended.ending.files)
    frames = ended.ending.expected_frames
    ending = replace(
        ended.ending,
        files=files,
        expected_frames=told.expected_frames if frames is None else frames,
        node_runs=told.node_runs,
    )
    more, prompt = manifest.ended.prompt, ended.prompt
    prompt = replace(
        prompt,
        created_at=prompt.created_at if prompt.created_at is not None else more.created_at,
        workflow=prompt.workflow or more.workflow,
        sizes=prompt.sizes.or_else(more.sizes),
    )
    return replace(
        ended,
        prompt=prompt,
        ending=ending,
        followed_by=manifest.ended.followed_by,
        ran=manifest.ended.ran,
        cached_nodes=manifest.ended.cached_nodes,
    )


def is_same_run(ended: EndedPrompt, manifest: Manifest) -> bool | None:
    """True where the manifest tells of the run that history tells of; None where that is open.

    All times are by ComfyUI's clock. A manifest that was written before the run began is of an
    earlier run under the same id, and one written long after it ended is of a later one.
    """
    theirs, ours = manifest.ended.ending, ended.ending
    if theirs.kind is not ours.kind:
        return False
    if theirs.ended_at is None or ours.started_at is None:
        return None
    # Not to the millisecond: the two are noted at different moments, and a clock may be set.
    begun = theirs.ended_at >= ours.started_at - 1.0
    return begun and (ours.ended_at is None or theirs.ended_at <= ours.ended_at + _LATER_S)


def _as_written(file: ListedFile, written: ListedFile | None) -> ListedFile:
    if written is None:
        return file
    return replace(
        file, size_bytes=written.size_bytes, mtime_ns=written.mtime_ns, digest=written.digest
    )


def _place(file: ListedFile) -> tuple[str, str, str]:
    return file.type, file.subfolder, file.filename


def _optional(told: dict[str, Any], key: str, read: Callable[[Any], _T | None]) -> _T | None:
    """The value of a key that may be null. Raises `Misshapen` for one that cannot be read."""
    value = told.get(key)
    if value is None:
        return None
    known = read(value)
    if known is None:
        raise Misshapen(f"its {key} cannot be read")
    return known


def _ids(told: dict[str, Any], key: str) -> set[str]:
    value = told.get(key)
    if value is not None and not isinstance(value, list):
        raise Misshapen(f"its {key} are no list")
    # What had to be cleaned or cut is another's name; and no name at all asks for all of history.
    return {one for one in items(value) if one and one == text(one, MAX_ID_CHARS)}


def _frames(value: object) -> int | None:
    return _whole(value, MAX_FRAMES) or None


def _whole(value: object, most: int) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    return value if whole else None  # type: ignore[return-value]
