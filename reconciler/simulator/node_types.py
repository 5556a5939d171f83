"""The nodes that the simulator knows: their inputs, outputs and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.simulator.outcomes import Outcome, Saver

#: The node whose inputs are the script of its prompt.
SCRIPTED = "SimulatedRender"

#: Types whose inputs are values; every other type is a link to another node's output.
VALUE_TYPES = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node. `default` stands in where an optional one is not given."""

    type: str
    default: object = None
    required: bool = True
    minimum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeType:
    """One class of nodes."""

    inputs: Mapping[str, Input]
    #: Type of each output slot.
    outputs: tuple[str, ...] = ()
    #: It saves something: only such nodes, and what they need, run at all.
    is_output: bool = False
    #: What it is told besides its inputs, and shows among them when it raises.
    hidden: tuple[str, ...] = ()
    #: Where the real one is defined.
    module: str = "nodes"
    defaults: Mapping[str, object] = field(init=False)

    def __post_init__(self) -> None:
        given = {name: each.default for name, each in self.inputs.items() if not each.required}
        object.__setattr__(self, "defaults", given)


def _optional(type_: str, default: object, **limits: float) -> Input:
    return Input(type_, default, required=False, minimum=limits.get("minimum"))


_IMAGES = Input("IMAGE")
_PREFIX = Input("STRING", "ComfyUI")
_TOLD = ("prompt", "extra_pnginfo")
_SIZE = Input("INT", 256, minimum=16)
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
    module="custom_nodes.lab_nodes",
)

_EMPTY_IMAGE = NodeType(
    inputs={
        "width": Input("INT", 512, minimum=1),
        "height": Input("INT", 512, minimum=1),
        "batch_size": Input("INT", 1, minimum=1),
        "color": Input("INT", 0, minimum=0),
    },
    outputs=("IMAGE",),
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
    },
    outputs=("VHS_FILENAMES",),
    is_output=True,
    hidden=(*_TOLD, "unique_id"),
    module="custom_nodes.comfyui-videohelpersuite",
)

NODE_TYPES: Mapping[str, NodeType] = {
    SCRIPTED: _SIMULATED_RENDER,
    "SlowNoise": _SLOW_NOISE,
    "KillWorker": NodeType({"images": _IMAGES}, ("IMAGE",), module="custom_nodes.lab_nodes"),
    "Hang": NodeType({"images": _IMAGES}, ("IMAGE",), module="custom_nodes.lab_nodes"),
    "EmptyImage": _EMPTY_IMAGE,
    "CreateVideo": _CREATE_VIDEO,
    "SaveImage": NodeType(
        {"images": _IMAGES, "filename_prefix": _PREFIX}, is_output=True, hidden=_TOLD
    ),
    "PreviewImage": NodeType({"images": _IMAGES}, is_output=True, hidden=_TOLD),
    "SaveVideo": _SAVE_VIDEO,
    "SaveWEBM": _SAVE_WEBM,
    "SaveAnimatedWEBP": _SAVE_WEBP,
    "VHS_VideoCombine": _VHS_VIDEO_COMBINE,
}
