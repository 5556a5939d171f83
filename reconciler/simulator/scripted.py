"""The node `SimulatedRender`: one node that samples, saves and ends as its inputs tell it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from reconciler.simulator import savers
from reconciler.simulator.outcomes import BREAKS_OFF, Outcome, Saver
from reconciler.simulator.render import Clip, Tick
from reconciler.simulator.run import NodeFailed, Result, Run
from reconciler.simulator.signals import WorkerKilled

Inputs = Mapping[str, Any]

OUT_OF_MEMORY_TYPE = "torch.OutOfMemoryError"
OUT_OF_MEMORY_MESSAGE = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 23.99 GiB"
)
OUT_OF_MEMORY_TIPS = (
    "This error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before "
    "you might have accidentally set the batch_size to a large number."
)


def simulated_render(run: Run, node_id: str, inputs: Inputs) -> Result:
    """Sample, then encode and save, each as fast as the inputs say, and end as `outcome` says."""
    outcome = Outcome(inputs["outcome"])
    if outcome is Outcome.CACHED:
        raise NodeFailed("LookupError", "no earlier prompt with these inputs is in the cache")
    clip = _clip(inputs)
    with _surroundings(run, outcome, inputs):
        _sample(run, node_id, outcome, inputs)
    if outcome is Outcome.NO_OUTPUT:
        return Result()
    saved = replace(clip, frames=max(clip.frames - 1, 1)) if outcome is Outcome.SHORT else clip
    ui = _save(run, saved, inputs, _encode_tick(run, saved, outcome, inputs))
    _spoil(run, outcome)
    if outcome is Outcome.CRASH_SAVED:
        run.crash(inputs["restart_after_s"])
    run.pause(inputs["linger_seconds"])
    return Result(ui=ui)


def _clip(inputs: Inputs) -> Clip:
    size = inputs["width"], inputs["height"]
    return Clip(inputs["frames"], *size, inputs["seed"], inputs["fps"])


@contextmanager
def _surroundings(run: Run, outcome: Outcome, inputs: Inputs) -> Iterator[None]:
    """What happens to the process rather than to the prompt, while it samples."""
    if outcome is Outcome.FROZEN_SOCKETS:
        run.stage.server.hub.freeze()
    if outcome is Outcome.SLOW_ANSWERS:
        run.stage.delay_answers(inputs["delay_s"])
    try:
        yield
    finally:
        if outcome is Outcome.SLOW_ANSWERS:
            run.stage.delay_answers(0.0)


def _sample(run: Run, node_id: str, outcome: Outcome, inputs: Inputs) -> None:
    frames = inputs["frames"]
    for step in range(frames):
        if outcome in BREAKS_OFF and step == frames // 2:
            _break_off(run, outcome)
        if outcome is Outcome.ENDLESS and step == frames - 1:
            _sample_for_ever(run, node_id, frames)
        run.pause(inputs["seconds"] / frames)
        run.progress.update(node_id, step + 1, frames)
        if inputs["previews"]:
            run.show(node_id, next(Clip(1, 64, 64, seed=step).images()))


def _sample_for_ever(run: Run, node_id: str, frames: int) -> None:
    """The last step never ends, and shows signs of life."""
    for _ in itertools.count():
        run.stage.signals.pause(0.2)
        run.progress.update(node_id, max(frames - 1, 1), max(frames, 2))


def _break_off(run: Run, outcome: Outcome) -> None:
    if outcome is Outcome.HANG:
        run.stage.signals.hang()
    if outcome is Outcome.DEAD_WORKER:
        raise WorkerKilled
    if outcome is Outcome.OUT_OF_MEMORY:
        raise NodeFailed(OUT_OF_MEMORY_TYPE, OUT_OF_MEMORY_MESSAGE, OUT_OF_MEMORY_TIPS)
    raise NodeFailed("RuntimeError", "the script of this prompt says: error")


def _encode_tick(run: Run, clip: Clip, outcome: Outcome, inputs: Inputs) -> Tick:
    def tick(number: int) -> None:
        if outcome is Outcome.CRASH and number == clip.frames // 2:
            _await_part(run)
            run.crash(inputs["restart_after_s"])
        run.pause(inputs["encode_seconds"] / clip.frames)

    return tick


def _await_part(run: Run) -> None:
    """The encoder works beside us: let it write some of what it has been given."""
    for _ in range(500):
        path = run.main_file
        if not run.frames_written or (path and path.exists() and path.stat().st_size > 1000):
            return
        run.stage.signals.pause(0.01)


def _save(run: Run, clip: Clip, inputs: Inputs, tick: Tick) -> dict[str, Any]:
    prefix = inputs["filename_prefix"]
    if inputs["saver"] == Saver.VHS_VIDEO_COMBINE:
        return savers.combine_video(run, clip, prefix, tick, audio=inputs["audio"])
    plain: dict[str, Callable[[Run, Clip, str, Tick], dict[str, Any]]] = {
        Saver.SAVE_VIDEO: savers.save_video,
        Saver.SAVE_IMAGE: savers.save_images,
    }
    return plain[inputs["saver"]](run, clip, prefix, tick)


def _spoil(run: Run, outcome: Outcome) -> None:
    """Damage the result before anyone is told of it."""
    path = run.main_file
    assert path is not None
    if outcome is Outcome.TRUNCATED:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size * 3 // 5)
    if outcome is Outcome.DELETED:
        path.unlink()
