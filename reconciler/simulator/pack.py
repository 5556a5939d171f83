"""The node pack inside the simulated process: the very one that ComfyUI loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from comfy_node import hooks
from comfy_node.nodes import NODE_CLASS_MAPPINGS
from comfy_node.pack import Pack
from reconciler.simulator.pack_types import PACK_TYPES
from reconciler.simulator.run import Result, Run
from reconciler.simulator.server import PromptServer

Node = Callable[[Run, str, Mapping[str, Any]], Result]


def install_pack(server: PromptServer, output_dir: Path) -> Pack:
    """What the pack does when ComfyUI loads it: it hooks itself into the server."""
    pack = hooks.install(server, lambda: str(output_dir))
    assert pack is not None, "a new server has no pack yet; see the log for what it says"
    return pack


def _node(class_type: str) -> Node:
    node_class: Any = NODE_CLASS_MAPPINGS[class_type]
    hidden = PACK_TYPES[class_type].hidden

    def perform(run: Run, node_id: str, inputs: Mapping[str, Any]) -> Result:
        told = run.hidden_inputs(node_id, hidden)
        returned = getattr(node_class(), node_class.FUNCTION)(**inputs, **told)
        if isinstance(returned, dict):
            return Result(tuple(returned.get("result", ())), returned.get("ui"))
        return Result(tuple(returned))

    return perform


#: What each of the pack's nodes does.
PACK_NODES: Mapping[str, Node] = {class_type: _node(class_type) for class_type in PACK_TYPES}
