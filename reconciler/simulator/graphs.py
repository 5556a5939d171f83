"""Graphs for the demo and for tests."""

from __future__ import annotations

from reconciler.simulator.graph import Graph
from reconciler.simulator.node_types import SCRIPTED
from reconciler.simulator.outcomes import Outcome, Saver


def render_graph(
    outcome: Outcome = Outcome.SUCCESS,
    *,
    saver: Saver = Saver.SAVE_VIDEO,
    frames: int = 24,
    width: int = 256,
    height: int = 256,
    fps: float = 24.0,
    seconds: float = 0.0,
    filename_prefix: str = "video/simulated",
    seed: int = 0,
    **more: float | bool,
) -> Graph:
    """A graph of one `SimulatedRender` node.

    `more`: encode_seconds, linger_seconds, restart_after_s, delay_s, audio, previews. Two graphs
    that are the same are cached, as in ComfyUI: give each job a `seed` of its own.
    """
    inputs = {
        "outcome": str(outcome),
        "saver": str(saver),
        "frames": frames,
        "width": width,
        "height": height,
        "fps": fps,
        "seconds": seconds,
        "filename_prefix": filename_prefix,
        "seed": seed,
        **more,
    }
    return {"1": {"class_type": SCRIPTED, "inputs": inputs}}
