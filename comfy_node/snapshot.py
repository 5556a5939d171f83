"""GET /reconciler/snapshot: queue, worker and last ends at one instant, in one small answer."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from .contract import (
    MAX_NODE_TYPES,
    NOTE_FIRST_PROMPT_ID,
    NOTE_JOB_ID_FROM,
    PACK_VERSION,
    SNAPSHOT_FORMAT,
    SNAPSHOT_PATH,
)
from .guard import step_aside
from .ledger import Ended
from .manifest import Item
from .pack import Pack
from .tags import notes_of


class Unsure(Exception):
    """What is watched is not what runs: no answer is better than a wrong one."""


def add_route(pack: Pack) -> None:
    """Registers the route. Raises where one of that path is registered already: a second would
    keep ComfyUI from starting."""
    routes = pack.server.routes
    if any(getattr(route, "path", None) == SNAPSHOT_PATH for route in routes):
        raise ValueError(f"there is another route {SNAPSHOT_PATH}")

    async def answer(request: Any) -> Any:
        from aiohttp import web  # whoever asks has it; the pack loads without

        try:
            status, told = 200, json.dumps(take(pack, request.query), separators=(",", ":"))
        except Unsure as error:
            status, told = 503, json.dumps({"error": str(error)})
        except Exception as error:
            step_aside("the snapshot failed", error)
            status, told = 500, json.dumps({"error": "the snapshot failed, see ComfyUI's log"})
        return web.Response(status=status, text=told, content_type="application/json")

    routes.get(SNAPSHOT_PATH)(answer)


def take(pack: Pack, query: Mapping[str, Any]) -> dict[str, Any]:
    """The snapshot, for the parameters `boot` and `since`. Raises `Unsure`."""
    queue = pack.queue
    if pack.closed or pack.server.prompt_queue is not queue:
        raise Unsure("the queue that this pack watches is not ComfyUI's any more")
    with queue.mutex:
        running, pending = list(queue.currently_running.values()), list(queue.queue)
        view = pack.ledger.view()
    items = [Item.of(entry) for entry in running]
    live = [{**_prompt(pack, item), "node_types": _node_types(item.graph)} for item in items]
    known = {prompt["prompt_id"] for prompt in live}
    # Between ComfyUI's own note of an end and ours, the prompt is still on its way out.
    live += [{"prompt_id": one.prompt_id} for one in view.ending if one.prompt_id not in known]
    since = _since(query, pack.boot_id, view.cursor)
    ended = [end for end in view.ended if end.seq > since]
    return {
        "format": SNAPSHOT_FORMAT,
        "pack": PACK_VERSION,
        "boot_id": pack.boot_id,
        "now": time.time(),
        "worker_alive": view.worker_alive,
        "running": [_short({**view.running.get(one["prompt_id"], {}), **one}) for one in live],
        "pending": [_short(_prompt(pack, item)) for item in _in_order(pending)],
        "ended": [_end(end) for end in ended],
        "cursor": view.cursor,
        "complete": "task_done" in pack.hooks and len(ended) == view.cursor - since,
    }


def _in_order(pending: list[Any]) -> list[Item]:
    items = [Item.of(entry) for entry in pending]
    return sorted(items, key=lambda item: (item.number or 0.0, item.prompt_id))


def _prompt(pack: Pack, item: Item) -> dict[str, Any]:
    notes = notes_of(item.extra_data)
    client_id, created_at = item.extra_data.get("client_id"), item.created_at
    return {
        "prompt_id": item.prompt_id,
        "number": item.number,
        "job_id": item.job_id,
        "job_id_from": notes.get(NOTE_JOB_ID_FROM),
        "first_prompt_id": notes.get(NOTE_FIRST_PROMPT_ID),
        "client_id": client_id[:200] if isinstance(client_id, str) else None,
        "output_nodes": len(item.output_nodes),
        "graph_nodes": len(item.graph),
        "created_at": pack.ledger.submitted_at(item.prompt_id)
        if created_at is None
        else created_at,
        **pack.works.of(item.prompt_id, item.graph),
    }


def _node_types(graph: dict[str, Any]) -> dict[str, str] | None:
    if len(graph) > MAX_NODE_TYPES:
        return None
    types = {n: node.get("class_type") for n, node in graph.items() if isinstance(node, dict)}
    return {n: kind[:200] for n, kind in types.items() if isinstance(kind, str)}


def _short(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if value is not None}


def _end(end: Ended) -> dict[str, Any]:
    told = {
        "seq": end.seq,
        "prompt_id": end.prompt_id,
        "job_id": end.job_id,
        "kind": end.kind,
        "at": end.at,
    }
    first = end.first_prompt_id
    return told if first is None else {**told, "first_prompt_id": first}


def _since(query: Mapping[str, Any], boot_id: str, cursor: int) -> int:
    """The cursor that was asked for; 0 for another life's, or for what is none."""
    since = query.get("since", "")
    if query.get("boot") != boot_id or not (since.isascii() and since.isdigit()):
        return 0
    # No cursor has more digits, and Python refuses to read thousands of them.
    asked = int(since) if len(since) < 20 else 0
    return asked if asked <= cursor else 0
