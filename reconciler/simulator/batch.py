"""VHS's batch manager: one video, written by several prompts, of which each queues the next.

Every prompt but the last ends with nothing to show; the file grows from prompt to prompt, carries
the tags of the first, and is listed by the last.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.simulator.render import H264, Clip, Encoder, Tick, read_clip
from reconciler.simulator.run import Result, Run
from reconciler.simulator.savers import Combining, begin_combining, list_combined
from reconciler.simulator.server import PromptServer

Inputs = Mapping[str, Any]

MANAGER = "VHS_BatchManager"


@dataclass(slots=True)
class Batch:
    """What the manager keeps from prompt to prompt."""

    frames_per_batch: int
    #: Frames that no prompt has loaded yet; None before the first.
    left: int | None = None
    begun: Combining | None = None
    encoder: Encoder | None = None

    def take(self, frames: int) -> int:
        """How many of all the frames the running prompt loads."""
        left = frames if self.left is None else self.left
        taken = min(left, self.frames_per_batch)
        self.left = left - taken
        return taken

    def close(self) -> None:
        """Break off what is not finished."""
        if self.encoder is not None:
            self.encoder.kill()
            self.encoder = None


def batch_manager(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Begins anew with each prompt that it has not queued itself."""
    kept = run.stage.memory
    if not inputs.get("requeue"):
        if node_id in kept:
            kept[node_id].close()
        kept[node_id] = Batch(inputs["frames_per_batch"])
    return Result((kept[node_id],))


def load_video_path(run: Run, node_id: str, inputs: Inputs) -> Result:
    """As many frames as the video has, or as its batch may take."""
    whole, batch = read_clip(Path(inputs["video"])), inputs["meta_batch"]
    frames = whole.frames if batch is None else batch.take(whole.frames)
    return Result((replace(whole, frames=frames), frames, None, None))


def combine_batch(run: Run, clip: Clip, inputs: Inputs, tick: Tick) -> Result:
    """One prompt's part of the video."""
    batch: Batch = inputs["meta_batch"]
    if batch.begun is None or batch.encoder is None:
        batch.begun = begin_combining(run, clip, inputs["filename_prefix"], inputs["format"])
        tags = run.all_tags if inputs["save_metadata"] else {}
        batch.encoder = Encoder(batch.begun.path, clip, tags, H264)
    batch.encoder.feed(clip, run.counting(tick))
    if batch.left:
        _queue_next(run.stage.server)
        return Result(ui={"unfinished_batch": [True]})
    batch.encoder.finish()
    batch.encoder = None
    run.main_file = batch.begun.path
    return Result(ui=list_combined(batch.begun, batch.begun.path, clip.fps))


def _queue_next(server: PromptServer) -> None:
    """As VHS does: six parts whatever the version, and the running prompt's own graph, changed."""
    _, _, graph, extra_data, outputs, *secrets = next(
        iter(server.prompt_queue.currently_running.values())
    )
    for node in graph.values():
        if node["class_type"] == MANAGER:
            node["inputs"]["requeue"] = node["inputs"].get("requeue", 0) + 1
    number, server.number = -server.number, server.number + 1
    item = (number, str(uuid.uuid4()), graph, extra_data, outputs)
    server.prompt_queue.put((*item, secrets[0] if secrets else {}))
