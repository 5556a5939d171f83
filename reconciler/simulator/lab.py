"""The nodes that tests link into a real ComfyUI, played: every way to fail, and follow-ups."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from typing import Any

from reconciler.simulator import savers
from reconciler.simulator.render import Clip, Sound
from reconciler.simulator.run import NodeFailed, Result, Run
from reconciler.simulator.scripted import OUT_OF_MEMORY_TIPS, OUT_OF_MEMORY_TYPE
from reconciler.simulator.signals import WorkerKilled

Inputs = Mapping[str, Any]

#: Nobody starts a process again that killed itself, unless somebody does.
NEVER_S = 10 * 365 * 86400.0


def slow_noise(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Frames, one every `step_seconds`; raises at frame `fail_at`."""
    frames = inputs["frames"]
    for index in range(frames):
        if index == inputs["fail_at"]:
            raise NodeFailed("RuntimeError", "simulated CUDA out of memory")
        run.pause(inputs["step_seconds"])
        run.progress.update(node_id, index + 1, frames)
    return Result((Clip(frames, inputs["width"], inputs["height"], inputs["seed"]),))


def slow_previews(run: Run, node_id: str, inputs: Inputs) -> Result:
    """As a sampler whose previews are on: each step shows a picture."""
    frames, clip = inputs["frames"], Clip(inputs["frames"], inputs["width"], inputs["height"], 1)
    for index, image in enumerate(clip.images()):
        run.pause(inputs["step_seconds"])
        run.progress.update(node_id, index + 1, frames)
        run.show(node_id, image)
    return Result((clip,))


def tone(run: Run, node_id: str, inputs: Inputs) -> Result:
    """A sine."""
    return Result((Sound(inputs["seconds"], inputs["hertz"]),))


def linger(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Hands pictures on after a while."""
    run.pause(inputs["seconds"])
    return Result((inputs["images"],))


def raise_error(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Raises."""
    raise NodeFailed("RuntimeError", inputs["message"])


def out_of_memory(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Raises what torch raises."""
    raise NodeFailed(OUT_OF_MEMORY_TYPE, "Allocation on device", OUT_OF_MEMORY_TIPS)


def kill_worker(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Ends the worker thread."""
    raise WorkerKilled


def hang(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Never returns."""
    run.stage.signals.hang()


def queue_follow_up(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Queues the next prompt itself, past POST /prompt, as the batch manager of VHS does: a new
    id, the same `extra_data`, before all that wait."""
    left = inputs["follow_ups"]
    if left > 0:
        server = run.stage.server
        [item] = server.prompt_queue.currently_running.values()
        graph = copy.deepcopy(item[2])
        graph[node_id]["inputs"]["follow_ups"] = left - 1
        number, server.number = -server.number, server.number + 1
        server.prompt_queue.put((number, str(uuid.uuid4()), graph, *item[3:]))
    return Result((inputs["images"],))


def crash_after_save(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Saves as SaveImage does; then the process is gone, and nobody starts it again."""
    savers.save_images(run, inputs["images"], inputs["filename_prefix"], lambda number: None)
    run.crash(NEVER_S)


LAB_NODES = {
    "SlowNoise": slow_noise,
    "SlowPreviews": slow_previews,
    "Tone": tone,
    "Linger": linger,
    "RaiseError": raise_error,
    "OutOfMemory": out_of_memory,
    "Hang": hang,
    "KillWorker": kill_worker,
    "QueueFollowUp": queue_follow_up,
    "CrashAfterSave": crash_after_save,
}
