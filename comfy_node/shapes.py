"""What kind of work a graph is: its shape, and the sizes that are typed into it.

Pure, and imported by the reconciler, too: both must say the same of the same graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

#: Graphs with more nodes have no shape that is worth its time.
MAX_NODES = 5_000
#: No picture is wider or higher in pixels, no film longer in frames, nothing has more steps.
_MOST = {"width": 65_536, "height": 65_536, "frames": 10**6, "steps": 10**5}
#: Inputs that say how many frames are made, by the names that nodes give them.
_FRAMES = ("length", "num_frames", "frames", "video_frames", "frame_count", "batch_size")
_DIGEST_BYTES = 8

Graph = dict[str, Any]


def workflow_shape(graph: object) -> str | None:
    """A hash over the types of a graph's nodes and how they are wired: 16 hexadecimal digits.

    Values that are typed in make no difference, nor do the ids of the nodes or their order. None
    where there is no graph, or one that is too large.
    """
    if not isinstance(graph, dict) or not 0 < len(graph) <= MAX_NODES:
        return None
    labels = _labels(graph)
    return _digest("".join(sorted(labels.values())))


def workflow_sizes(graph: object) -> dict[str, int]:
    """What is typed into a graph that makes it long or short work: `width` and `height` of the
    largest picture, the most `frames`, and the `steps` of all samplers. What it does not say, or
    wires in from a node, is left out."""
    sizes: dict[str, int] = {}
    for inputs in _inputs(graph):
        width, height = _size(inputs, "width"), _size(inputs, "height")
        if width * height > sizes.get("width", 0) * sizes.get("height", 0):
            sizes |= {"width": width, "height": height}
        frames = max(_size(inputs, name, "frames") for name in _FRAMES)
        for name, value in (
            ("frames", max(frames, sizes.get("frames", 0))),
            ("steps", _size(inputs, "steps") + sizes.get("steps", 0)),
        ):
            if value:
                sizes[name] = min(value, _MOST[name])
    return sizes


def _inputs(graph: object) -> Iterator[dict[str, Any]]:
    nodes = graph.values() if isinstance(graph, dict) and len(graph) <= MAX_NODES else ()
    for node in nodes:
        inputs = node.get("inputs") if isinstance(node, dict) else None
        if isinstance(inputs, dict):
            yield inputs


def _size(inputs: dict[str, Any], name: str, limit: str | None = None) -> int:
    value = inputs.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 < value <= _MOST[limit or name] else 0


def _labels(graph: Graph) -> dict[str, str]:
    """Of each node a digest of its type and of all that flows into it. Without recursion: a chain
    of thousands of nodes is allowed, and so is a cycle, which no ComfyUI would run."""
    labels: dict[str, str] = {}
    for start in graph:
        begun: set[str] = set()
        stack = [start]
        while stack:
            node_id = stack[-1]
            wired = list(_links(graph, node_id)) if node_id not in labels else []
            waiting = [s for _, s, _ in wired if s not in labels and s not in begun]
            if node_id not in labels and waiting and node_id not in begun:
                begun.add(node_id)
                stack += waiting
                continue
            stack.pop()
            if node_id not in labels:
                labels[node_id] = _label(graph, node_id, wired, labels)
    return labels


def _label(
    graph: Graph, node_id: str, wired: list[tuple[str, str, int]], labels: dict[str, str]
) -> str:
    node = graph[node_id]
    kind = node.get("class_type") if isinstance(node, dict) else None
    flows = sorted(f"{name}={labels.get(source, '')}.{slot}" for name, source, slot in wired)
    return _digest("\n".join([kind if isinstance(kind, str) else "", *flows]))


def _links(graph: Graph, node_id: str) -> Iterator[tuple[str, str, int]]:
    """Inputs that are wired: their name, the node they come from and its slot."""
    node = graph.get(node_id)
    inputs = node.get("inputs") if isinstance(node, dict) else None
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(value, list) and len(value) == 2:
            source, slot = value
            if isinstance(source, str) and source in graph and isinstance(slot, int):
                yield str(name), source, slot


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()
