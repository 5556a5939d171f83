"""What kind of work a graph is that an answer shows: found out once for each prompt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from comfy_node.shapes import workflow_shape, workflow_sizes
from reconciler.comfyui.fields import mapping, text, whole
from reconciler.core.kinds import Sizes

#: Prompts that are remembered: each look at a long queue shows all of their graphs again.
MAX_KEPT = 20_000
_MAX_WORD_CHARS = 64


@dataclass
class Works:
    """Workflow and sizes by prompt. Thread-safe."""

    _kept: OrderedDict[object, tuple[str | None, Sizes]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, prompt_id: str, number: float, graph: object) -> tuple[str | None, Sizes]:
        """Of a prompt of this id, number and graph."""
        if not isinstance(graph, dict):
            return None, Sizes()
        key = (prompt_id, number, len(graph))  # an id can be used twice
        with self._lock:
            if (known := self._kept.get(key)) is not None:
                return known
        known = workflow_shape(graph), sizes_of(workflow_sizes(graph))
        with self._lock:
            self._kept[key] = known
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return known


def told_work(told: Mapping[str, object]) -> tuple[str | None, Sizes]:
    """As the node pack tells it, in snapshot and manifest; older packs do not."""
    return text(told.get("workflow"), _MAX_WORD_CHARS), sizes_of(mapping(told.get("sizes")))


def sizes_of(told: Mapping[str, object]) -> Sizes:
    """Whole numbers above 0; what is none is not known."""
    return Sizes(*(whole(told.get(name)) or None for name in Sizes.__slots__))


#: Of all servers: prompt ids are unique enough.
WORKS = Works()
