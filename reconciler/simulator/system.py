"""What the simulated server says about itself: /system_stats and /object_info."""

from __future__ import annotations

import os
import sys
from typing import Any

from reconciler.simulator.node_type import NodeType
from reconciler.simulator.node_types import known_types
from reconciler.simulator.world import World


def system_stats(world: World) -> dict[str, Any]:
    """The answer to GET /system_stats; `argv` names the output directory."""
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    total = page_bytes * os.sysconf("SC_PHYS_PAGES")
    free = page_bytes * os.sysconf("SC_AVPHYS_PAGES")
    argv = ["main.py", "--cpu", "--listen", world.host, "--port", str(world.port)]
    argv += ["--output-directory", str(world.output_dir)]
    argv += [] if world.metadata else ["--disable-metadata"]
    system = {
        **world.version.system,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": world.version.name,
        "python_version": sys.version,
        "pytorch_version": "2.13.0+cpu",
        "embedded_python": False,
        "argv": argv,
    }
    device = {
        "name": "cpu",
        "type": "cpu",
        "index": None,
        "vram_total": total,
        "vram_free": free,
        "torch_vram_total": total,
        "torch_vram_free": free,
    }
    return {"system": system, "devices": [device]}


def object_info(world: World, node_class: str | None = None) -> dict[str, Any]:
    """The answer to GET /object_info, or to /object_info/{class}: empty if there is none."""
    return {
        name: {**_describe(name, node_type), **world.version.node_info}
        for name, node_type in known_types(pack=world.pack).items()
        if node_class in (None, name)
    }


def _describe(name: str, node_type: NodeType) -> dict[str, Any]:
    inputs: dict[str, dict[str, list[Any]]] = {"required": {}, "optional": {}}
    for input_name, spec in node_type.inputs.items():
        limits = {"default": spec.default, "min": spec.minimum, "options": spec.choices or None}
        given = {key: value for key, value in limits.items() if value is not None}
        inputs["required" if spec.required else "optional"][input_name] = [spec.type, given]
    return {
        "input": inputs,
        "input_order": {kind: list(names) for kind, names in inputs.items()},
        "output": list(node_type.outputs),
        "output_is_list": [False] * len(node_type.outputs),
        "output_name": list(node_type.outputs),
        "name": name,
        "display_name": name,
        "description": "",
        "python_module": node_type.module,
        "category": "simulated",
        "output_node": node_type.is_output,
    }
