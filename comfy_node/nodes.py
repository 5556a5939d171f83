"""The nodes that a user sees."""

from __future__ import annotations

from typing import Any

from .contract import TAG_NODE, TAG_NODE_JOB_ID


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

    CATEGORY = "reconciler"
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


NODE_CLASS_MAPPINGS = {TAG_NODE: TagOutputWithJobId}
NODE_DISPLAY_NAME_MAPPINGS = {TAG_NODE: "Tag Output with Job ID"}
