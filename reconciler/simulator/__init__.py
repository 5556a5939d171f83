"""A ComfyUI stand-in over HTTP and websocket that renders real files.

It plays a script and does not grade itself: how a prompt ends is told by its graph (`Outcome`),
and what really happened is kept apart from everything it answers (`Simulator.truth`).
"""

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome, Saver
from reconciler.simulator.serve import serve
from reconciler.simulator.simulator import Simulator
from reconciler.simulator.truth import Ending, TruthEntry

__all__ = ["Ending", "Outcome", "Saver", "Simulator", "TruthEntry", "render_graph", "serve"]
