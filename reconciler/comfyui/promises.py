"""What a graph (API format) says of the videos that its savers will write: their rate and frames.

Narrow on purpose: a number counts where it stands in the graph, and frames only where every node
between the saver and what makes them is one of those below, which are known to keep their number or
to change it by a number in the graph. Any other, an interpolation say, and nothing is promised.

The facts are from the sources of ComfyUI 0.3.64 and 0.33.0 and of VideoHelperSuite 1.7: a video of
`length` frames has (length - 1) // step + 1 latent ones, of which the decoder makes `step` each,
and one of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.comfyui.fields import items, mapping, number, text, whole
from reconciler.core.expectation import SaverPromise

#: Saver → the input that holds its rate, where it takes pictures itself.
_RATES = {
    "SaveWEBM": "fps",
    "SaveAnimatedWEBP": "fps",
    "SaveAnimatedPNG": "fps",
    "VHS_VideoCombine": "frame_rate",
}
#: Empty latents of a video → frames in one latent frame.
_VIDEO_LATENTS = {
    "EmptyHunyuanLatentVideo": 4,
    "EmptyHunyuanVideo15Latent": 4,
    "EmptyLTXVLatentVideo": 8,
    "EmptyCosmosLatentVideo": 8,
    "EmptyMochiLatentVideo": 6,
}
#: The same for nodes whose latent is one of several results → its place among them.
_VIDEO_LATENT_AT = {"WanImageToVideo": (4, 2), "HunyuanImageToVideo": (4, 1)}
#: Batches of pictures, or of latents of one picture each.
_BATCHES = ("EmptyImage", "EmptyLatentImage", "EmptySD3LatentImage")
#: Nodes that hand on as many as they get → the input by which they get them.
_KEEP = {
    "KSampler": "latent_image",
    "KSamplerAdvanced": "latent_image",
    "SamplerCustom": "latent_image",
    "SamplerCustomAdvanced": "latent_image",
    "VAEDecode": "samples",
    "VAEDecodeTiled": "samples",
    "ImageScale": "image",
    "ImageScaleBy": "image",
    "ImageScaleToTotalPixels": "image",
    "ImageUpscaleWithModel": "image",
    "ReconcilerExpectFrames": "value",
    "ReconcilerTagOutput": "value",
}
#: Nodes that hand on a number, which stands in `value`.
_NUMBERS = ("PrimitiveInt", "PrimitiveFloat")
#: Savers and nodes on the way that are looked at; no sensible graph has more.
_MAX_SAVERS, _MAX_NODES = 50, 40


def promises_of(graph: object) -> tuple[SaverPromise, ...]:
    """What each saver of videos of the graph promises; savers that promise nothing are left out."""
    nodes = mapping(graph)
    savers = [
        (node_id, kind)
        for node_id, node in nodes.items()
        if (kind := mapping(node).get("class_type")) == "SaveVideo" or _is_rate(kind)
    ]
    found = [_promise(nodes, node_id, str(kind)) for node_id, kind in savers[:_MAX_SAVERS]]
    return tuple(p for p in found if p.fps is not None or p.frames is not None)


def _is_rate(kind: object) -> bool:
    return isinstance(kind, str) and kind in _RATES


def _promise(nodes: Mapping[str, Any], node_id: str, kind: str) -> SaverPromise:
    maker, rate = _node(nodes, node_id), _RATES.get(kind, "fps")
    if kind == "SaveVideo":
        maker = _node(nodes, _link(_inputs(_through(nodes, maker, "video")).get("video")))
        if maker.get("class_type") != "CreateVideo":
            return SaverPromise(node_id, kind)
    frames = _frames(nodes, _inputs(maker).get("images"), _MAX_NODES)
    if kind == "VHS_VideoCombine" and not _as_given(_inputs(maker)):
        frames = None
    fps = _number(nodes, _inputs(maker).get(rate))
    name = text(node_id, 200) or ""
    return SaverPromise(name, kind, fps if fps and fps > 0 else None, frames or None)


def _through(nodes: Mapping[str, Any], node: dict[str, Any], key: str) -> dict[str, Any]:
    """The node, or the last of our own nodes before it, which only hand a video through."""
    for _ in range(_MAX_NODES):
        before = _node(nodes, _link(_inputs(node).get(key)))
        if before.get("class_type") not in ("ReconcilerExpectFrames", "ReconcilerTagOutput"):
            break
        node = {"inputs": {"video": _inputs(before).get("value")}}
        key = "video"
    return node


def _as_given(inputs: Mapping[str, Any]) -> bool:
    """False where VideoHelperSuite repeats, cuts or collects frames, or may."""
    plain = all(inputs.get(k) in (None, False, "False") for k in ("pingpong", "trim_to_audio"))
    moving_picture = str(inputs.get("format", "")).startswith("image/")
    once = moving_picture or inputs.get("loop_count") in (None, 0)
    return plain and once and "meta_batch" not in inputs


def _frames(  # noqa: PLR0911 - one for each kind of node
    nodes: Mapping[str, Any], given: object, left: int
) -> int | None:
    """How many pictures come over this link; None where that is not known."""
    source = _link(given)
    if source is None or left <= 0:
        return None
    node, at = _node(nodes, source), items(given)[1]
    kind, inputs = str(node.get("class_type")), _inputs(node)
    if kind in _KEEP:
        return _frames(nodes, inputs.get(_KEEP[kind]), left - 1)
    if kind == "RepeatImageBatch":
        return _product(_frames(nodes, inputs.get("image"), left - 1), inputs.get("amount"))
    if kind == "ImageFromBatch":
        return _cut(_frames(nodes, inputs.get("image"), left - 1), inputs)
    if kind in _BATCHES:
        return _count(nodes, inputs.get("batch_size", 1))
    step, place = _VIDEO_LATENT_AT.get(kind, (_VIDEO_LATENTS.get(kind), 0))
    length = _count(nodes, inputs.get("length"))
    if step is None or length is None or at != place:
        return None
    made = (length - 1) // step * step + 1
    return _product(made, _count(nodes, inputs.get("batch_size", 1)))


def _cut(frames: int | None, inputs: Mapping[str, Any]) -> int | None:
    """As `ImageFromBatch` takes `length` pictures from `batch_index` on, which may count back."""
    index, length = inputs.get("batch_index"), whole(inputs.get("length"))
    if frames is None or length is None or type(index) is not int:
        return None
    first = max(0, min(frames - 1, index + frames if index < 0 else index))
    return min(frames - first, length)


def _product(frames: int | None, times: object) -> int | None:
    factor = whole(times)
    return None if frames is None or factor is None else frames * factor


def _count(nodes: Mapping[str, Any], given: object) -> int | None:
    known = _number(nodes, given)
    return whole(known) if known is not None and known >= 1 and known == int(known) else None


def _number(nodes: Mapping[str, Any], given: object) -> float | None:
    """A number in the graph: the input's own, or that of a node which holds nothing else."""
    source = _link(given)
    if source is None:
        return number(given)
    node = _node(nodes, source)
    return number(_inputs(node).get("value")) if node.get("class_type") in _NUMBERS else None


def _link(given: object) -> str | None:
    """The node that a link `[node, output]` comes from; None where it is none."""
    match given:
        case [str(node_id), int()]:
            return node_id
        case _:
            return None


def _node(nodes: Mapping[str, Any], node_id: str | None) -> dict[str, Any]:
    return mapping(nodes.get(node_id)) if node_id is not None else {}


def _inputs(node: Mapping[str, Any]) -> dict[str, Any]:
    return mapping(node.get("inputs"))
