"""What each node does: ComfyUI's, VHS's, the lab's, the pack's, and the one with a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image

from reconciler.simulator import savers
from reconciler.simulator.batch import MANAGER, batch_manager, combine_batch, load_video_path
from reconciler.simulator.files import find_target
from reconciler.simulator.lab import LAB_NODES
from reconciler.simulator.node_types import SCRIPTED
from reconciler.simulator.pack import PACK_NODES, Node
from reconciler.simulator.render import Clip, Sound, Tick
from reconciler.simulator.run import NodeFailed, Result, Run
from reconciler.simulator.scripted import simulated_render

#: Inputs of a node: values, and in the place of each link what the node above handed on.
Inputs = Mapping[str, Any]


def empty_image(run: Run, node_id: str, inputs: Inputs) -> Result:
    """A batch of pictures at once."""
    size = inputs["width"], inputs["height"]
    return Result((Clip(inputs["batch_size"], *size, inputs["color"]),))


def empty_audio(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Silence."""
    return Result((Sound(inputs["duration"], 0.0, inputs["sample_rate"], inputs["channels"]),))


def load_image(run: Run, node_id: str, inputs: Inputs) -> Result:
    """A picture as large as the one that is named; what else the file carries ends here."""
    name = str(inputs["image"]).removesuffix(" [output]")
    target = find_target(run.stage.output_dir, name)
    with Image.open(target.folder / target.name) as picture:
        return Result((Clip(1, *picture.size), None))


def create_video(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Frames and a rate."""
    return Result((replace(inputs["images"], fps=inputs["fps"]),))


def save_image(run: Run, node_id: str, inputs: Inputs) -> Result:
    """One PNG for each frame."""
    ui = savers.save_images(run, inputs["images"], inputs["filename_prefix"], _deaf(run))
    return Result(ui=ui)


def preview_image(run: Run, node_id: str, inputs: Inputs) -> Result:
    """The same, where nobody keeps them."""
    prefix = "ComfyUI_temp_simulated"
    ui = savers.save_images(run, inputs["images"], prefix, _deaf(run), temporary=True)
    return Result(ui=ui)


def save_video(run: Run, node_id: str, inputs: Inputs) -> Result:
    """One mp4."""
    if inputs["format"] not in ("auto", "mp4"):
        message = f"{inputs['format']!r} is not a valid VideoContainer"
        raise NodeFailed("ValueError", message)
    ui = savers.save_video(run, inputs["video"], inputs["filename_prefix"], _deaf(run))
    return Result(ui=ui)


def save_webm(run: Run, node_id: str, inputs: Inputs) -> Result:
    """One webm."""
    clip = replace(inputs["images"], fps=inputs["fps"])
    return Result(ui=savers.save_webm(run, clip, inputs["filename_prefix"], _deaf(run)))


def save_webp(run: Run, node_id: str, inputs: Inputs) -> Result:
    """One animated webp."""
    clip = replace(inputs["images"], fps=inputs["fps"])
    return Result(ui=savers.save_webp(run, clip, inputs["filename_prefix"], _deaf(run)))


def save_audio(run: Run, node_id: str, inputs: Inputs) -> Result:
    """One flac, and the sound handed on."""
    sound = inputs["audio"]
    ui = savers.save_audio(run, sound, inputs["filename_prefix"])
    return Result((sound,), ui)


def combine_video(run: Run, node_id: str, inputs: Inputs) -> Result:
    """The nodes of VHS: progress for each frame, and an ear for interrupts."""
    clip = replace(inputs["images"], fps=inputs["frame_rate"])

    def tick(number: int) -> None:
        run.pause(0)
        run.progress.update(node_id, number + 1, clip.frames)

    if inputs["meta_batch"] is not None:
        return combine_batch(run, clip, inputs, tick)
    ui = savers.combine_video(
        run,
        clip,
        inputs["filename_prefix"],
        tick,
        format_=inputs["format"],
        temporary=not inputs["save_output"],
        metadata=inputs["save_metadata"],
        audio=inputs["audio"] is not None,
    )
    return Result(ui=ui)


def _deaf(run: Run) -> Tick:
    """Core savers hear no interrupt while they encode; only the end of the process stops them."""
    return lambda number: run.stage.signals.check_worker()


NODES: Mapping[str, Node] = {
    SCRIPTED: simulated_render,
    "EmptyImage": empty_image,
    "EmptyAudio": empty_audio,
    "LoadImage": load_image,
    "CreateVideo": create_video,
    "SaveImage": save_image,
    "PreviewImage": preview_image,
    "SaveVideo": save_video,
    "SaveWEBM": save_webm,
    "SaveAnimatedWEBP": save_webp,
    "SaveAudio": save_audio,
    "VHS_VideoCombine": combine_video,
    "VHS_LoadVideoPath": load_video_path,
    MANAGER: batch_manager,
    **LAB_NODES,
    **PACK_NODES,
}
