"""Nodes that end their prompt, the worker or the whole process."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

import comfy.model_management
import nodes


class _Passing:
    """Takes pictures, so that it stands in a graph before a saver."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"images": ("IMAGE",)}}

    RETURN_TYPES: tuple[str, ...] = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "lab"


class RaiseError(_Passing):
    """Raises a RuntimeError that says `message`."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        message = ("STRING", {"default": "the lab says no"})
        return {"required": {"images": ("IMAGE",), "message": message}}

    def run(self, images: Any, message: str) -> tuple[Any]:
        """Never returns."""
        raise RuntimeError(message)


class OutOfMemory(_Passing):
    """Raises what torch raises where a card is full: the very class, not only its words."""

    def run(self, images: Any) -> tuple[Any]:
        """Never returns."""
        raise comfy.model_management.OOM_EXCEPTION("Allocation on device")


class Hang(_Passing):
    """Never returns and never listens for an interrupt: only a restart ends it."""

    def run(self, images: Any) -> tuple[Any]:
        """Never returns."""
        while True:
            time.sleep(0.2)


class WorkerKilled(BaseException):
    """Escapes every `except Exception` of the executor."""


class KillWorker(_Passing):
    """Kills the thread `prompt_worker`: HTTP goes on answering, nothing runs any more."""

    def run(self, images: Any) -> tuple[Any]:
        """Never returns."""
        logging.warning("lab_nodes: KillWorker raises now")
        raise WorkerKilled("lab_nodes: the worker dies here")


class CrashAfterSave:
    """Saves as SaveImage does and closes the files; then the whole process is killed, before the
    prompt can end."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "crash"})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "lab"

    def run(
        self, images: Any, filename_prefix: str, prompt: Any = None, extra_pnginfo: Any = None
    ) -> dict[str, Any]:
        """Never returns."""
        saved = nodes.SaveImage().save_images(images, filename_prefix, prompt, extra_pnginfo)
        os.kill(os.getpid(), signal.SIGKILL)
        return dict(saved)
