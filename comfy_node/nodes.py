"""The nodes that a user sees."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

from .contract import (
    EXPECT_NODE,
    EXPECT_NODE_FRAMES,
    PREFIX_NODE,
    TAG_JOB_ID,
    TAG_NODE,
    TAG_NODE_JOB_ID,
    TAG_PROMPT_ID,
    tag_text,
)
from .ledger import expect_frames
from .prefix import job_prefix

CATEGORY = "reconciler"
MAX_FRAMES = 10_000_000


class _AnyType(str):
    """A type name that fits every other: ComfyUI 0.3.64 compares them by `!=` alone."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return False


ANY = _AnyType("*")


class TagOutputWithJobId:
    """Hands its input through. The prompt handler reads the job id off the submitted graph.

    It has no effect of its own when it runs, except on the cache: with another job id ComfyUI runs
    it and all below it again. Right before a saver, that gives each job files of its own while the
    costly nodes above stay cached.
    """

    CATEGORY = CATEGORY
    DESCRIPTION = (
        "Writes a job id into the metadata of every file that this prompt saves. Place it right "
        "before the save node: what stands before it stays cached from job to job."
    )
    FUNCTION = "pass_through"
    RETURN_TYPES = (ANY,)
    RETURN_NAMES = ("value",)
    OUTPUT_TOOLTIPS = ("The input, unchanged. Connect it to the save node.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, in ComfyUI's own form."""
        value = {"tooltip": "Anything that is about to be saved: images, a video, audio."}
        job_id = {
            "default": "",
            # The id has to stand in the graph when it is submitted, not to be computed later.
            "socketless": True,
            "tooltip": "The id of the job's row: a number, or up to 200 printable characters. "
            "Empty: nothing is tagged. An id in extra_data of POST /prompt goes first.",
        }
        return {"required": {"value": (ANY, value), TAG_NODE_JOB_ID: ("STRING", job_id)}}

    def pass_through(self, value: Any, job_id: str) -> tuple[Any]:
        """The input, unchanged."""
        return (value,)


class JobFilenamePrefix:
    """Makes the prefix under which a saver numbers its files, one for each job.

    The cache knows nothing of a prompt's tag. So where the node's own job id does not settle the
    matter it runs for every prompt: else a second job would get the files of the first.
    """

    CATEGORY = CATEGORY
    DESCRIPTION = (
        "A file name prefix that belongs to one job: connect it to filename_prefix of a save node. "
        "Files of two jobs are never numbered in one series."
    )
    FUNCTION = "prefix"
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("filename_prefix",)
    OUTPUT_TOOLTIPS = ("subfolder/job id_name, for filename_prefix of a save node.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, in ComfyUI's own form."""
        dates = "%Y %m %d %H %M %S %j become date and time."
        job_id = {
            "default": "",
            "tooltip": "The id of the job's row. Empty: the job id that this prompt was tagged "
            "with, or else its prompt id, and the node and the saver run for every prompt.",
        }
        name = {"default": "", "tooltip": f"Follows the job id. {dates}"}
        subfolder = {
            "default": "%Y-%m-%d",
            "tooltip": f"Folder below the output directory; a/b makes two. Empty: none. {dates}",
        }
        return {
            "required": {
                "job_id": ("STRING", job_id),
                "name": ("STRING", name),
                "subfolder": ("STRING", subfolder),
            },
            "hidden": {"extra_pnginfo": "EXTRA_PNGINFO"},
        }

    @classmethod
    def IS_CHANGED(
        cls,
        job_id: Any = None,
        name: Any = None,
        subfolder: Any = None,
        extra_pnginfo: Any = None,
    ) -> Any:
        """The prefix itself, which may hold a date; never the same where it is not known yet.

        ComfyUI asks before anything ran: wired inputs are None then, and so is what is hidden.
        """
        own = tag_text(job_id)
        if own is None or name is None or subfolder is None:
            return float("nan")
        return job_prefix(own, str(name), str(subfolder), time.localtime())

    def prefix(
        self, job_id: Any, name: str, subfolder: str, extra_pnginfo: Any = None
    ) -> tuple[str]:
        """The prefix of this prompt's job."""
        job = tag_text(job_id) or _id_of_this_prompt(extra_pnginfo)
        return (job_prefix(job, str(name), str(subfolder), time.localtime()),)


class ExpectFrames:
    """Hands its input through. A number that stands in the graph is read off it.

    One that is wired in is known only when this runs, so then it runs for every prompt: an answer
    from the cache would leave the next prompt without its promise.
    """

    CATEGORY = CATEGORY
    DESCRIPTION = (
        "Promises how many frames this prompt's video will have. reconciler counts them in the "
        "finished file, and a job with fewer or more does not count as completed."
    )
    FUNCTION = "pass_through"
    RETURN_TYPES = (ANY,)
    RETURN_NAMES = ("value",)
    OUTPUT_TOOLTIPS = ("The input, unchanged.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, in ComfyUI's own form."""
        value = {"tooltip": "Anything on its way to the save node: images, latents, a video."}
        frames = {
            "default": 1,
            "min": 1,
            "max": MAX_FRAMES,
            "tooltip": "How many frames the video must have. Where the number is wired in, this "
            "node and all below it run for every prompt.",
        }
        return {"required": {"value": (ANY, value), EXPECT_NODE_FRAMES: ("INT", frames)}}

    @classmethod
    def IS_CHANGED(cls, value: Any = None, frames: Any = None) -> Any:
        """The literal number; never the same for one that is wired in, which is None here."""
        return float("nan") if frames is None else frames

    def pass_through(self, value: Any, frames: int) -> tuple[Any]:
        """The input, unchanged."""
        expect_frames(frames)
        return (value,)


def _id_of_this_prompt(extra_pnginfo: object) -> str:
    """The job id that the prompt was tagged with, else its own id, else one like no other."""
    tags = extra_pnginfo if isinstance(extra_pnginfo, dict) else {}
    utils = sys.modules.get("comfy_execution.utils")
    context = utils.get_executing_context() if utils is not None else None
    candidates = (
        tags.get(TAG_JOB_ID),
        tags.get(TAG_PROMPT_ID),
        getattr(context, "prompt_id", None),
    )
    return next((text for text in map(tag_text, candidates) if text), str(uuid.uuid4()))


NODE_CLASS_MAPPINGS = {
    TAG_NODE: TagOutputWithJobId,
    PREFIX_NODE: JobFilenamePrefix,
    EXPECT_NODE: ExpectFrames,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    TAG_NODE: "Tag Output with Job ID",
    PREFIX_NODE: "Job Filename Prefix",
    EXPECT_NODE: "Expect Frames",
}
