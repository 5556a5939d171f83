"""The node pack's own nodes, described by the pack's own classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_node.nodes import NODE_CLASS_MAPPINGS
from reconciler.simulator.node_type import Input, NodeType


def _node_type(node_class: Any) -> NodeType:
    told = node_class.INPUT_TYPES()
    inputs = {
        name: _input(spec, required=kind == "required")
        for kind in ("required", "optional")
        for name, spec in told.get(kind, {}).items()
    }
    return NodeType(
        inputs,
        tuple(node_class.RETURN_TYPES),
        is_output=getattr(node_class, "OUTPUT_NODE", False),
        hidden=tuple(told.get("hidden", ())),
        is_changed=getattr(node_class, "IS_CHANGED", None),
        module="custom_nodes.comfy_node",
    )


def _input(spec: tuple[Any, ...], *, required: bool) -> Input:
    """From ComfyUI's form: a type, or a list of choices; and limits, if there are any."""
    kind, limits = spec[0], spec[1] if len(spec) > 1 else {}
    choices = tuple(kind) if isinstance(kind, list | tuple) else tuple(limits.get("options", ()))
    return Input(
        "COMBO" if choices else kind,
        limits.get("default"),
        required,
        limits.get("min"),
        choices,
    )


#: By class name.
PACK_TYPES: Mapping[str, NodeType] = {
    name: _node_type(node_class) for name, node_class in NODE_CLASS_MAPPINGS.items()
}
