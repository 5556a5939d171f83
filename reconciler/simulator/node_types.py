"""The nodes that the simulator knows."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.simulator.node_type import Input, NodeType
from reconciler.simulator.outcomes import Outcome, Saver
from reconciler.simulator.pack_types import PACK_TYPES

#: The node whose inputs are the script of its prompt.
SCRIPTED = "SimulatedRender"


def _optional(type_: str, default: object, **limits: float) -> Input:
    return Input(type_, default, required=False, minimum=limits.get("minimum"))


_IMAGES = Input("IMAGE")
_PREFIX = Input("STRING", "ComfyUI")
_TOLD = ("prompt", "extra_pnginfo")
_SIZE = Input("INT", 256, minimum=16)
_VHS = "custom_nodes.comfyui-videohelpersuite"
_VHS_FORMATS = ("image/gif", "video/h264-mp4")

_SIMULATED_RENDER = NodeType(
    inputs={
        "frames": Input("INT", 24, minimum=1),
        "width": _SIZE,
        "height": _SIZE,
        "fps": Input("FLOAT", 24.0, minimum=1),
        #: Duration of the sampling, at speed 1.
        "seconds": Input("FLOAT", 0.0, minimum=0),
        "outcome": Input("COMBO", choices=tuple(Outcome)),
        "saver": Input("COMBO", choices=tuple(Saver)),
        "filename_prefix": _PREFIX,
        "seed": _optional("INT", 0),
        #: Duration of the encode, at speed 1; 0 is as fast as it goes.
        "encode_seconds": _optional("FLOAT", 0.0, minimum=0),
        #: Between the close of the file and the prompt's end, at speed 1.
        "linger_seconds": _optional("FLOAT", 0.0, minimum=0),
        "restart_after_s": _optional("FLOAT", 2.0, minimum=0),
        "delay_s": _optional("FLOAT", 2.0, minimum=0),
        #: VHS only: a second file with sound beside the silent one.
        "audio": _optional("BOOLEAN", False),
        #: Binary preview frames along with the progress.
        "previews": _optional("BOOLEAN", False),
    },
    is_output=True,
    module="custom_nodes.simulated",
)

_LAB = "custom_nodes.lab_nodes"

_SLOW_NOISE = NodeType(
    inputs={
        "frames": Input("INT", 8, minimum=1),
        "width": _SIZE,
        "height": _SIZE,
        "step_seconds": Input("FLOAT", 0.0, minimum=0),
        "seed": Input("INT", 0, minimum=0),
        "fail_at": Input("INT", -1, minimum=-1),
    },
    outputs=("IMAGE",),
    module=_LAB,
)


def _passing(**more: Input) -> NodeType:
    """A node that stands between pictures and their saver."""
    return NodeType({"images": _IMAGES, **more}, ("IMAGE",), module=_LAB)


_SLOW_PREVIEWS = NodeType(
    inputs={
        "frames": Input("INT", 8, minimum=1),
        "width": Input("INT", 256, minimum=16),
        "height": Input("INT", 256, minimum=16),
        "step_seconds": Input("FLOAT", 0.0, minimum=0),
    },
    outputs=("IMAGE",),
    module=_LAB,
)

#: The nodes that tests link into a real ComfyUI: same names, inputs and effects.
_LAB_TYPES: Mapping[str, NodeType] = {
    "SlowNoise": _SLOW_NOISE,
    "SlowPreviews": _SLOW_PREVIEWS,
    "Tone": NodeType(
        {
            "seconds": Input("FLOAT", 1.0, minimum=0.01),
            "hertz": Input("FLOAT", 440.0, minimum=20.0),
        },
        ("AUDIO",),
        module=_LAB,
    ),
    "Linger": _passing(seconds=Input("FLOAT", 1.0, minimum=0)),
    "RaiseError": _passing(message=Input("STRING", "the lab says no")),
    "OutOfMemory": _passing(),
    "Hang": _passing(),
    "KillWorker": _passing(),
    "QueueFollowUp": NodeType(
        {"images": _IMAGES, "follow_ups": Input("INT", 1, minimum=0)},
        ("IMAGE",),
        hidden=("unique_id",),
        module=_LAB,
    ),
    "CrashAfterSave": NodeType(
        {"images": _IMAGES, "filename_prefix": Input("STRING", "crash")},
        is_output=True,
        hidden=_TOLD,
        module=_LAB,
    ),
}

_EMPTY_IMAGE = NodeType(
    inputs={
        "width": Input("INT", 512, minimum=1),
        "height": Input("INT", 512, minimum=1),
        "batch_size": Input("INT", 1, minimum=1),
        "color": Input("INT", 0, minimum=0),
    },
    outputs=("IMAGE",),
)

_EMPTY_AUDIO = NodeType(
    inputs={
        "duration": Input("FLOAT", 60.0, minimum=0),
        "sample_rate": Input("INT", 44100, minimum=1),
        "channels": Input("INT", 2, minimum=1),
    },
    outputs=("AUDIO",),
    module="comfy_extras.nodes_audio",
)

_SAVE_AUDIO = NodeType(
    inputs={"audio": Input("AUDIO"), "filename_prefix": Input("STRING", "audio/ComfyUI")},
    outputs=("AUDIO",),
    is_output=True,
    hidden=_TOLD,
    module="comfy_extras.nodes_audio",
)

_CREATE_VIDEO = NodeType(
    inputs={"images": _IMAGES, "fps": Input("FLOAT", 30.0, minimum=1)},
    outputs=("VIDEO",),
    module="comfy_extras.nodes_video",
)

_SAVE_VIDEO = NodeType(
    inputs={
        "video": Input("VIDEO"),
        "filename_prefix": Input("STRING", "video/ComfyUI"),
        # A wrong container is found out by the node itself, not by the validation.
        "format": Input("STRING", "auto"),
        "codec": Input("STRING", "auto"),
    },
    is_output=True,
    module="comfy_extras.nodes_video",
)

_SAVE_WEBM = NodeType(
    inputs={
        "images": _IMAGES,
        "filename_prefix": _PREFIX,
        "codec": Input("COMBO", choices=("vp9", "av1")),
        "fps": Input("FLOAT", 24.0, minimum=0.01),
        "crf": Input("FLOAT", 32.0, minimum=0),
    },
    is_output=True,
    module="comfy_extras.nodes_video",
)

_SAVE_WEBP = NodeType(
    inputs={
        "images": _IMAGES,
        "filename_prefix": _PREFIX,
        "fps": Input("FLOAT", 6.0, minimum=0.01),
        "lossless": Input("BOOLEAN", True),
        "quality": Input("INT", 80, minimum=0),
        "method": Input("COMBO", choices=("default", "fastest", "slowest")),
    },
    is_output=True,
    module="comfy_extras.nodes_images",
)

_VHS_VIDEO_COMBINE = NodeType(
    inputs={
        "images": _IMAGES,
        "frame_rate": Input("FLOAT", 8.0, minimum=1),
        "loop_count": Input("INT", 0, minimum=0),
        "filename_prefix": Input("STRING", "AnimateDiff"),
        "format": Input("COMBO", choices=_VHS_FORMATS),
        "pingpong": Input("BOOLEAN", False),
        "save_output": Input("BOOLEAN", True),
        "save_metadata": _optional("BOOLEAN", True),
        "audio": _optional("AUDIO", None),
        "meta_batch": _optional("VHS_BatchManager", None),
    },
    outputs=("VHS_FILENAMES",),
    is_output=True,
    hidden=(*_TOLD, "unique_id"),
    module=_VHS,
)

_VHS_LOAD_VIDEO_PATH = NodeType(
    inputs={
        "video": Input("STRING", ""),
        "force_rate": Input("FLOAT", 0, minimum=0),
        "custom_width": Input("INT", 0, minimum=0),
        "custom_height": Input("INT", 0, minimum=0),
        "frame_load_cap": Input("INT", 0, minimum=0),
        "skip_first_frames": Input("INT", 0, minimum=0),
        "select_every_nth": Input("INT", 1, minimum=1),
        "meta_batch": _optional("VHS_BatchManager", None),
    },
    outputs=("IMAGE", "INT", "AUDIO", "VHS_VIDEOINFO"),
    module=_VHS,
)

NODE_TYPES: Mapping[str, NodeType] = {
    SCRIPTED: _SIMULATED_RENDER,
    "EmptyImage": _EMPTY_IMAGE,
    "EmptyAudio": _EMPTY_AUDIO,
    # Only files of the output directory: "name.png [output]".
    "LoadImage": NodeType({"image": Input("STRING", "")}, ("IMAGE", "MASK")),
    "CreateVideo": _CREATE_VIDEO,
    "SaveImage": NodeType(
        {"images": _IMAGES, "filename_prefix": _PREFIX}, is_output=True, hidden=_TOLD
    ),
    "PreviewImage": NodeType({"images": _IMAGES}, is_output=True, hidden=_TOLD),
    "SaveVideo": _SAVE_VIDEO,
    "SaveWEBM": _SAVE_WEBM,
    "SaveAnimatedWEBP": _SAVE_WEBP,
    "SaveAudio": _SAVE_AUDIO,
    "VHS_VideoCombine": _VHS_VIDEO_COMBINE,
    "VHS_LoadVideoPath": _VHS_LOAD_VIDEO_PATH,
    "VHS_BatchManager": NodeType(
        {"frames_per_batch": Input("INT", 16, minimum=1)}, ("VHS_BatchManager",), module=_VHS
    ),
    **_LAB_TYPES,
    **PACK_TYPES,
}


def known_types(*, pack: bool) -> Mapping[str, NodeType]:
    """The nodes of a server with the node pack, or of one without it."""
    if pack:
        return NODE_TYPES
    return {name: each for name, each in NODE_TYPES.items() if name not in PACK_TYPES}
