"""Pictures and sound out of nothing, and time that passes."""

from __future__ import annotations

import math
import time
from typing import Any

import comfy.model_management
import comfy.utils
import torch
from PIL import Image

#: How often a node that waits listens for an interrupt, in seconds.
LISTEN_S = 0.05


class SlowNoise:
    """A batch of noise images, one every `step_seconds`, with progress; raises at frame `fail_at`.

    The message of its error is one of memory, as cards that are full spell it; `RaiseError` is for
    errors of any other kind.
    """

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "frames": ("INT", {"default": 8, "min": 1, "max": 10000}),
                "width": ("INT", {"default": 256, "min": 16, "max": 4096}),
                "height": ("INT", {"default": 256, "min": 16, "max": 4096}),
                "step_seconds": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 3600.0}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**63 - 1}),
                "fail_at": ("INT", {"default": -1, "min": -1, "max": 10000}),
            }
        }

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "lab"

    def make(
        self, frames: int, width: int, height: int, step_seconds: float, seed: int, fail_at: int
    ) -> tuple[Any]:
        """A tensor of `frames` pictures."""
        generator = torch.Generator().manual_seed(seed)
        bar = comfy.utils.ProgressBar(frames)
        images = []
        for index in range(frames):
            if index == fail_at:
                raise RuntimeError("simulated CUDA out of memory")
            small = torch.rand((1, 3, 16, 16), generator=generator)
            big = torch.nn.functional.interpolate(small, size=(height, width), mode="bilinear")
            images.append(big[0].movedim(0, -1))
            _wait(step_seconds)
            bar.update(1)
        return (torch.stack(images),)


class SlowPreviews:
    """A batch of pictures, one every `step_seconds`, each shown as a sampler shows its steps."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "frames": ("INT", {"default": 8, "min": 1, "max": 10000}),
                "width": ("INT", {"default": 256, "min": 16, "max": 4096}),
                "height": ("INT", {"default": 256, "min": 16, "max": 4096}),
                "step_seconds": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 3600.0}),
            }
        }

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "lab"

    def make(self, frames: int, width: int, height: int, step_seconds: float) -> tuple[Any]:
        """A tensor of `frames` pictures."""
        bar = comfy.utils.ProgressBar(frames)
        images = []
        for index in range(frames):
            images.append(torch.full((height, width, 3), index / frames))
            pixels = (images[-1] * 255).to(torch.uint8).numpy()
            _wait(step_seconds)
            bar.update_absolute(index + 1, frames, ("JPEG", Image.fromarray(pixels), 512))
        return (torch.stack(images),)


class Tone:
    """A sine tone of so many seconds."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "seconds": ("FLOAT", {"default": 1.0, "min": 0.01, "max": 600.0}),
                "hertz": ("FLOAT", {"default": 440.0, "min": 20.0, "max": 20000.0}),
            }
        }

    RETURN_TYPES = ("AUDIO",)
    FUNCTION = "make"
    CATEGORY = "lab"

    def make(self, seconds: float, hertz: float) -> tuple[dict[str, Any]]:
        """One batch, one channel."""
        rate = 44100
        times = torch.arange(round(seconds * rate), dtype=torch.float32) / rate
        wave = 0.25 * torch.sin(2 * math.pi * hertz * times)
        return ({"waveform": wave[None, None, :], "sample_rate": rate},)


class Linger:
    """Hands pictures on after so many seconds."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        seconds = ("FLOAT", {"default": 1.0, "min": 0.0, "max": 3600.0})
        return {"required": {"images": ("IMAGE",), "seconds": seconds}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "lab"

    def run(self, images: Any, seconds: float) -> tuple[Any]:
        """The pictures, unchanged."""
        _wait(seconds)
        return (images,)


def _wait(seconds: float) -> None:
    """Sleeps in slices, so that an interrupt is heard."""
    end = time.monotonic() + seconds
    comfy.model_management.throw_exception_if_processing_interrupted()
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, LISTEN_S))
        comfy.model_management.throw_exception_if_processing_interrupted()
