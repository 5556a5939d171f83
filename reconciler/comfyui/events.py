"""What ComfyUI's websocket says, as values. All of it is a hint to look; none of it is a proof.

ComfyUI tells of a prompt only the client that submitted it; the node pack tells everybody.

`execution_success` comes before the prompt is in history, and a node that blocks execution is told
here as an error and in history as a success.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from comfy_node.contract import EVENT_END, EVENT_PROGRESS, EVENT_START, KINDS
from reconciler.comfyui.fields import MAX_ID_CHARS, Misshapen, mapping, number, text, whole
from reconciler.core.evidence import EndKind


@dataclass(frozen=True, slots=True)
class Connected:
    """The server listens to us: its first `status` came."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone, or could not be made; it is being tried anew."""

    reason: str


@dataclass(frozen=True, slots=True)
class StatusHeard:
    """The queue changed: look now."""

    queue_remaining: int


@dataclass(frozen=True, slots=True)
class StartHeard:
    """A prompt began to run."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class ProgressHeard:
    """A node got on: `value` of `maximum` steps."""

    prompt_id: str
    node_id: str
    value: float
    maximum: float
    #: Nodes of the prompt that are done; only the node pack tells.
    nodes_done: int | None = None
    #: The node's `class_type`, likewise.
    node_type: str | None = None


@dataclass(frozen=True, slots=True)
class NodeHeard:
    """A node begins or has just run. None: the prompt has no more nodes to run."""

    prompt_id: str
    node_id: str | None
    nodes_done: int | None = None
    node_type: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The socket's word for how a prompt ended: look now."""

    prompt_id: str
    kind: EndKind


SocketEvent = (
    Connected | Disconnected | StatusHeard | StartHeard | ProgressHeard | NodeHeard | Ended
)

_ENDINGS = {
    "execution_success": EndKind.SUCCESS,
    "execution_error": EndKind.ERROR,
    "execution_interrupted": EndKind.INTERRUPTED,
}


def events_of(message: bytes) -> tuple[SocketEvent, ...]:
    """The events in one text message; none for kinds that say nothing to us.

    Raises `Misshapen` for anything that is no message of ComfyUI's.
    """
    try:
        frame = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise Misshapen("it is not JSON") from error
    kind = mapping(frame).get("type")
    if not isinstance(kind, str):
        raise Misshapen("it has no type")
    return tuple(_read(kind, mapping(frame.get("data"))))


def _read(kind: str, data: Mapping[str, Any]) -> Iterator[SocketEvent]:
    if kind == "status":
        told = mapping(mapping(data.get("status")).get("exec_info"))
        yield StatusHeard(int(_number(told, "queue_remaining")))
    elif kind in ("execution_start", EVENT_START):
        yield StartHeard(_id(data, "prompt_id"))
    elif kind == "progress":
        yield from _progress(data)
    elif kind == "progress_state":
        yield from _progress_state(data)
    elif kind in ("executing", "executed"):
        yield from _node(data)
    elif kind in _ENDINGS:
        yield Ended(_id(data, "prompt_id"), _ENDINGS[kind])
    elif kind == EVENT_PROGRESS:
        yield _told_progress(data)
    elif kind == EVENT_END:
        yield Ended(_id(data, "prompt_id"), _end_kind(data))


def _progress(data: Mapping[str, Any]) -> Iterator[ProgressHeard]:
    if "prompt_id" in data:  # Nodes may report outside of any prompt.
        yield ProgressHeard(
            _id(data, "prompt_id"), _id(data, "node"), _number(data, "value"), _number(data, "max")
        )


def _progress_state(data: Mapping[str, Any]) -> Iterator[ProgressHeard]:
    """Every node so far is in it; those that run now are the news."""
    prompt_id = _id(data, "prompt_id")
    for node_id, state in mapping(data.get("nodes")).items():
        if mapping(state).get("state") == "running":
            yield ProgressHeard(
                prompt_id,
                text(node_id, MAX_ID_CHARS) or "",
                _number(state, "value"),
                _number(state, "max"),
            )


def _node(data: Mapping[str, Any]) -> Iterator[NodeHeard]:
    if "prompt_id" in data:  # On connecting, ComfyUI names its client's node without the prompt.
        node = data.get("node")
        yield NodeHeard(_id(data, "prompt_id"), None if node is None else _id(data, "node"))


def _told_progress(data: Mapping[str, Any]) -> ProgressHeard | NodeHeard:
    """The pack's word: of a node that counts no steps it says only that it runs."""
    prompt_id, node_id = _id(data, "prompt_id"), text(data.get("node_id"), MAX_ID_CHARS)
    done, kind = whole(data.get("nodes_done")), text(data.get("node_type"), MAX_ID_CHARS)
    value, maximum = number(data.get("value")), number(data.get("max"))
    if not node_id or value is None or maximum is None:
        return NodeHeard(prompt_id, node_id or None, done, kind)
    return ProgressHeard(prompt_id, node_id, value, maximum, done, kind)


def _end_kind(data: Mapping[str, Any]) -> EndKind:
    if data.get("kind") not in KINDS:
        raise Misshapen("it has no kind of end")
    return EndKind(data["kind"])


def _id(data: Mapping[str, Any], key: str) -> str:
    known = text(data.get(key), MAX_ID_CHARS)
    if not known:
        raise Misshapen(f"it has no {key}")
    return known


def _number(data: Mapping[str, Any], key: str) -> float:
    known = number(data.get(key))
    if known is None:
        raise Misshapen(f"it has no {key}")
    return known
