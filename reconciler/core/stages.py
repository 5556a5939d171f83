"""Loading, sampling, encoding: the stage of a running prompt, told by the type of its node.

A mapping of names, since ComfyUI tells nothing else. It is right for ComfyUI's own nodes, the
VideoHelperSuite's and all that are named as most are; a node that has another name is `running`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

from reconciler.core.evidence import Doing
from reconciler.core.policy import RunStage

#: Patterns over `class_type`, tried in this order: CheckpointLoaderSimple, UNETLoader, LoadImage;
#: KSampler, SamplerCustomAdvanced, WanVideoSampler; SaveImage, SaveVideo, VHS_VideoCombine.
PATTERNS: tuple[tuple[str, RunStage], ...] = (
    ("*load*", RunStage.LOADING),
    ("*sampler*", RunStage.SAMPLING),
    ("*save*", RunStage.ENCODING),
    ("*videocombine*", RunStage.ENCODING),
)


def stage_of(doing: Doing | None) -> RunStage | None:
    """The stage of a prompt that does this; None where the type of its node is not known.

    ComfyUI reads a model from the disk when it is used first, inside the sampler: until that has
    told its first step, it loads.
    """
    if doing is None or not doing.node_type:
        return None
    stage = stage_of_type(doing.node_type)
    if stage is RunStage.SAMPLING and not doing.value > 0:
        return RunStage.LOADING
    return stage


@lru_cache(maxsize=2000)
def stage_of_type(node_type: str) -> RunStage:
    """What a node of this `class_type` is about."""
    found = (stage for pattern, stage in PATTERNS if is_like(node_type, pattern))
    return next(found, RunStage.RUNNING)


def is_like(name: str | None, pattern: str) -> bool:
    """True where a name is as the pattern says; `*` stands for anything, case for nothing.

    Square brackets are common in the names of nodes, and mean themselves.
    """
    if name is None:
        return False
    return fnmatchcase(name.casefold(), pattern.casefold().replace("[", "[[]"))
