"""Snapshots as the node pack answers with them."""

from typing import Any

from comfy_node.contract import PACK_VERSION, SNAPSHOT_FORMAT

NOW = 1_795_501_200.0


def snapshot(**told: Any) -> dict[str, Any]:
    """An idle server with the pack, and what is told of it besides."""
    return {
        "format": SNAPSHOT_FORMAT,
        "pack": PACK_VERSION,
        "boot_id": "boot-a",
        "now": NOW,
        "worker_alive": True,
        "running": [],
        "pending": [],
        "ended": [],
        "cursor": 0,
        "complete": True,
    } | told


def end(seq: int, prompt_id: str, kind: str = "success", **told: Any) -> dict[str, Any]:
    """An entry of `ended`."""
    return {"seq": seq, "prompt_id": prompt_id, "job_id": None, "kind": kind, "at": NOW - 5} | told


#: A prompt in its third node, and one that waits behind it.
BUSY = snapshot(
    running=[
        {
            "prompt_id": "p1",
            "number": 3,
            "job_id": "41",
            "job_id_from": "client",
            "client_id": "app",
            "output_nodes": 1,
            "graph_nodes": 7,
            "created_at": NOW - 60,
            "since": NOW - 50,
            "node_id": "3",
            "node_type": "KSampler",
            "value": 5,
            "max": 20,
            "nodes_done": 2,
            "sign_at": NOW - 2,
        }
    ],
    pending=[
        {"prompt_id": "p3", "number": -1.0, "graph_nodes": 2, "output_nodes": 1},
        {"prompt_id": "p2", "number": 4, "job_id_from": "node", "first_prompt_id": "p1"},
    ],
    ended=[end(8, "p0", job_id="40"), end(9, "px", "removed")],
    cursor=9,
)
