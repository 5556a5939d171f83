"""What the node pack's snapshot says, in the format of `comfy_node.contract`.

Strict about which prompts there are, lenient about them: a prompt that cannot be identified would
make a live job look absent, so it raises `Misshapen`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from sys import intern
from typing import Any

from comfy_node.contract import KINDS, MAX_NODE_TYPES, SNAPSHOT_FORMAT, tag_text
from reconciler.comfyui.fields import (
    MAX_ID_CHARS,
    Misshapen,
    instant,
    items,
    mapping,
    number,
    text,
    whole,
)
from reconciler.comfyui.values import EndedNote, Look, QueuedPrompt, RunningState
from reconciler.comfyui.works import told_work
from reconciler.core.evidence import EndKind

_MAX_WORD_CHARS = 200
#: Older than any process: such an age is nonsense, in seconds.
_MAX_AGE_S = 1e9
#: Larger numbers are no cursor: they would not survive another's JSON.
_MAX_CURSOR = 2**53


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The look, and the cursor with which the next one is to be asked for."""

    look: Look
    boot_id: str
    cursor: int | None


def snapshot_of(answer: object) -> Snapshot | None:
    """The answer as a value; None where it is no snapshot of a format that we read.

    Raises `Misshapen` for one that is, and does not say for certain which prompts there are.
    """
    told = mapping(answer)
    if told.get("format") != SNAPSHOT_FORMAT or isinstance(told["format"], bool):
        return None
    boot_id = text(told.get("boot_id"), MAX_ID_CHARS)
    if not boot_id:
        raise Misshapen("'boot_id' is missing or no text")
    running, pending = _prompts(told, "running"), _prompts(told, "pending")
    now = number(told.get("now"))
    alive, ended = told.get("worker_alive"), _ended(told.get("ended"))
    look = Look(
        running=tuple(_queued(prompt) for prompt in running),
        pending=tuple(_queued(prompt) for prompt in pending),
        boot_id=boot_id,
        worker_alive=alive if isinstance(alive, bool) else None,
        pack=text(told.get("pack"), _MAX_WORD_CHARS),
        states={_id(prompt): _state(prompt, now) for prompt in running},
        ended=tuple(note for note in ended if note is not None),
        complete=told.get("complete") is True
        and isinstance(told.get("ended"), list)
        and None not in ended,
    )
    return Snapshot(look, boot_id, _cursor(told.get("cursor")))


def _prompts(told: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of one list, each of which names a prompt."""
    listed = told.get(key)
    if not isinstance(listed, list):
        raise Misshapen(f"{key!r} is missing or no list")
    for n, prompt in enumerate(listed):
        if not isinstance(prompt, dict) or not _id(prompt):
            raise Misshapen(f"{key}[{n}] carries no prompt id")
    return listed


def _queued(prompt: Mapping[str, Any]) -> QueuedPrompt:
    workflow, sizes = told_work(prompt)
    return QueuedPrompt(
        prompt_id=_id(prompt),
        number=number(prompt.get("number")) or 0.0,
        job_id=tag_text(prompt.get("job_id")),
        client_id=text(prompt.get("client_id"), _MAX_WORD_CHARS),
        output_nodes=whole(prompt.get("output_nodes")),
        graph_nodes=whole(prompt.get("graph_nodes")),
        created_at=instant(prompt.get("created_at")),
        job_id_from=text(prompt.get("job_id_from"), _MAX_WORD_CHARS),
        first_prompt_id=text(prompt.get("first_prompt_id"), MAX_ID_CHARS),
        node_types=_node_types(prompt.get("node_types")),
        workflow=workflow,
        sizes=sizes,
    )


def _node_types(told: object) -> dict[str, str]:
    types = islice(mapping(told).items(), MAX_NODE_TYPES)
    read = ((node_id, text(kind, _MAX_WORD_CHARS)) for node_id, kind in types)
    return {
        node_id: intern(kind) for node_id, kind in read if kind and len(node_id) <= MAX_ID_CHARS
    }


def _state(prompt: Mapping[str, Any], now: float | None) -> RunningState:
    return RunningState(
        age_s=_age_s(prompt.get("since"), now),
        sign_age_s=_age_s(prompt.get("sign_at"), now),
        node_id=text(prompt.get("node_id"), MAX_ID_CHARS),
        node_type=text(prompt.get("node_type"), _MAX_WORD_CHARS),
        value=number(prompt.get("value")),
        maximum=number(prompt.get("max")),
        nodes_done=whole(prompt.get("nodes_done")),
    )


def _ended(listed: object) -> list[EndedNote | None]:
    """None for each that cannot be read: history has to be asked for what it told."""
    return [_note(mapping(note)) for note in items(listed)]


def _note(note: Mapping[str, Any]) -> EndedNote | None:
    prompt_id, kind = _id(note), note.get("kind")
    if not prompt_id or kind not in KINDS:
        return None
    return EndedNote(
        prompt_id,
        EndKind(kind),
        job_id=tag_text(note.get("job_id")),
        at=instant(note.get("at")),
        first_prompt_id=text(note.get("first_prompt_id"), MAX_ID_CHARS),
    )


def _id(prompt: Mapping[str, Any]) -> str:
    return text(prompt.get("prompt_id"), MAX_ID_CHARS) or ""


def _age_s(instant: object, now: float | None) -> float | None:
    """Seconds from then to the answer; a clock that was set back meanwhile gives no age below 0."""
    then = number(instant)
    if then is None or now is None or now - then > _MAX_AGE_S:
        return None
    return max(now - then, 0.0)


def _cursor(value: object) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_CURSOR
    return value if known else None  # type: ignore[return-value]
