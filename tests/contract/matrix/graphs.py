"""Graphs of the scenarios, in ComfyUI's API format. Each has a seed of its own, so that no cache
knows it."""

from __future__ import annotations

import random
from typing import Any

from tests.contract.talk import Graph

FRAMES = 6
FPS = 24.0
#: What VHS takes beside the inputs of all its formats.
_MP4 = {"pix_fmt": "yuv420p", "crf": 19, "save_metadata": True, "trim_to_audio": False}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """One node."""
    return {"class_type": class_type, "inputs": inputs}


def noise(frames: int = FRAMES, step_seconds: float = 0.0, size: int = 64) -> dict[str, Any]:
    """Pictures, with progress."""
    seed = random.randrange(2**31)
    return node(
        "SlowNoise",
        frames=frames,
        width=size,
        height=size,
        step_seconds=step_seconds,
        seed=seed,
        fail_at=-1,
    )


def pictures(prefix: str, frames: int = 2, step_seconds: float = 0.0) -> Graph:
    """SaveImage."""
    return {"1": noise(frames, step_seconds), "9": save_image("1", prefix)}


def save_image(source: str, prefix: str) -> dict[str, Any]:
    """The node alone."""
    return node("SaveImage", images=[source, 0], filename_prefix=prefix)


def video(prefix: str, step_seconds: float = 0.0) -> Graph:
    """SaveVideo: an mp4."""
    return {
        "1": noise(step_seconds=step_seconds),
        "2": node("CreateVideo", images=["1", 0], fps=FPS),
        "9": node("SaveVideo", video=["2", 0], filename_prefix=prefix, format="auto", codec="auto"),
    }


def webm(prefix: str) -> Graph:
    """SaveWEBM."""
    saver = node(
        "SaveWEBM", images=["1", 0], filename_prefix=prefix, codec="vp9", fps=FPS, crf=32.0
    )
    return {"1": noise(), "9": saver}


def webp(prefix: str) -> Graph:
    """SaveAnimatedWEBP."""
    saver = node(
        "SaveAnimatedWEBP",
        images=["1", 0],
        filename_prefix=prefix,
        fps=12.0,
        lossless=False,
        quality=80,
        method="default",
    )
    return {"1": noise(), "9": saver}


def vhs(prefix: str, format_: str = "video/h264-mp4", *, sound: bool = False) -> Graph:
    """VHS_VideoCombine: mp4 or gif, with sound or without."""
    more: dict[str, Any] = dict(_MP4) if format_ == "video/h264-mp4" else {}
    graph: Graph = {"1": noise()}
    if sound:
        graph["3"] = node("Tone", seconds=FRAMES / FPS, hertz=440.0)
        more["audio"] = ["3", 0]
    graph["9"] = node(
        "VHS_VideoCombine",
        images=["1", 0],
        frame_rate=FPS,
        loop_count=0,
        filename_prefix=prefix,
        format=format_,
        pingpong=False,
        save_output=True,
        **more,
    )
    return graph


def audio(prefix: str) -> Graph:
    """SaveAudio: a flac."""
    hertz = 200.0 + random.randrange(10_000) / 10
    tone = node("Tone", seconds=0.5, hertz=hertz)
    return {"1": tone, "9": node("SaveAudio", audio=["1", 0], filename_prefix=prefix)}


def preview() -> Graph:
    """PreviewImage: nothing is kept."""
    return {"1": noise(2), "9": node("PreviewImage", images=["1", 0])}


def through(class_type: str, prefix: str, **inputs: Any) -> Graph:
    """Pictures through a node that ends the prompt, before they would be saved."""
    graph = pictures(prefix)
    graph["5"] = node(class_type, images=["1", 0], **inputs)
    graph["9"]["inputs"]["images"] = ["5", 0]
    return graph


def long(prefix: str) -> Graph:
    """A minute of work with progress that hears an interrupt."""
    return pictures(prefix, frames=600, step_seconds=0.1)


def crash_after_save(prefix: str, step_seconds: float) -> Graph:
    """The process dies when the file is closed and the prompt has not ended."""
    return {
        "1": noise(1, step_seconds),
        "9": node("CrashAfterSave", images=["1", 0], filename_prefix=prefix),
    }


def picture_of(name: str, prefix: str) -> Graph:
    """A picture of the output directory, loaded and saved again."""
    load = node("LoadImage", image=f"{name} [output]")
    return {"1": load, "9": save_image("1", prefix)}


def follow_up(prefix: str, seconds: float = 1.0) -> Graph:
    """A prompt that queues another one itself, as a batch manager does; each takes so long. The
    batches of a video take minutes, and none comes and goes unseen."""
    graph = pictures(prefix)
    graph["5"] = node("QueueFollowUp", images=["1", 0], follow_ups=1)
    graph["6"] = node("Linger", images=["5", 0], seconds=seconds)
    graph["9"]["inputs"]["images"] = ["6", 0]
    return graph
