"""Ends of ComfyUI itself: killed, restarted, its worker dead, a node that hangs."""

from __future__ import annotations

import time
from dataclasses import replace

from tests.contract.matrix import graphs
from tests.contract.matrix.ends import SEEN_S, seen_running, waiting
from tests.contract.matrix.ground import wait_until_dead
from tests.contract.matrix.scenario import Scenario, Sent, completed, failed, lost
from tests.contract.matrix.stage import Stage


def _killed_running(stage: Stage) -> Sent:
    sent = stage.send(graphs.long(stage.prefix("killed")))
    stage.wait_until_runs(sent)
    return replace(sent, ended_at=stage.restart_comfyui())


def _killed_pending(stage: Stage) -> Sent:
    sent = waiting(stage)
    return replace(sent, ended_at=stage.restart_comfyui())


def _crashed(stage: Stage, *, named: bool) -> Sent:
    """Seen running, then the process kills itself right after its file was closed."""
    graph = graphs.crash_after_save(stage.prefix("closed"), step_seconds=2 * SEEN_S)
    sent = stage.send(graph, named=named)
    stage.wait_until_runs(sent)
    wait_until_dead(stage.ground)
    ended_at = time.time()
    stage.start_comfyui()
    return replace(sent, ended_at=ended_at)


def _crash_after_save(stage: Stage) -> Sent:
    return _crashed(stage, named=False)


def _crash_after_save_named(stage: Stage) -> Sent:
    return _crashed(stage, named=True)


def _restarted_after_end(stage: Stage) -> Sent:
    sent = seen_running(stage)
    stage.restart_comfyui()
    stage.watch()
    return sent


def _restarted_after_end_named(stage: Stage) -> Sent:
    sent = seen_running(stage, named=True)
    stage.restart_comfyui()
    stage.watch()
    return sent


def _restarted_while_running(stage: Stage) -> Sent:
    sent = stage.send(graphs.long(stage.prefix("killed")))
    stage.wait_until_runs(sent)
    stage.pause()
    killed_at = stage.restart_comfyui()
    stage.watch()
    return replace(sent, ended_at=killed_at)


def _unseen(stage: Stage, *, named: bool = False) -> Sent:
    """Submitted, ended and forgotten while the reconciler was down."""
    stage.pause()
    sent = stage.send(graphs.pictures(stage.prefix("unseen")), named=named)
    ended_at = stage.wait_for_end(sent)
    stage.restart_comfyui()
    stage.watch()
    return replace(sent, ended_at=ended_at)


def _unseen_named(stage: Stage) -> Sent:
    return _unseen(stage, named=True)


def _worker_dead(stage: Stage) -> Sent:
    stage.spent = True
    sent = stage.send(graphs.through("KillWorker", stage.prefix("zombie")), frames=1)
    stage.server.wait_until_running(sent.prompt_id)
    return replace(sent, ended_at=time.time())


def _hang(stage: Stage) -> Sent:
    stage.spent = True
    # With the pack silence is heard; without it only the budget of a job whose frames are known.
    frames = None if stage.pack else 1
    sent = stage.send(graphs.through("Hang", stage.prefix("hang")), frames=frames)
    stage.server.wait_until_running(sent.prompt_id)
    return replace(sent, ended_at=time.time())


_FORGOTTEN = lost("neither in the queue nor in history")
_RESTARTED = lost("restarted", "boot id")
_ONE = completed("_00001_.png", owned=1)
_TWO = completed("_00001_.png", owned=2)

CRASHES = (
    Scenario("killed while running", "ComfyUI is killed while the prompt runs", _killed_running,
             _RESTARTED, _FORGOTTEN,
             "Until it answers again the row stays as it was (`timeouts.server_down_s`)."),
    Scenario("killed while pending", "ComfyUI is killed while the prompt waits", _killed_pending,
             _RESTARTED, _FORGOTTEN),
    Scenario("killed after the save", "ComfyUI is killed right after the file was closed",
             _crash_after_save, _ONE, _FORGOTTEN,
             "The pack's tag in the file proves it; without it nothing does."),
    Scenario("killed after the save, job id sent",
             "The same, and the application wrote its job id into `extra_pnginfo`",
             _crash_after_save_named, _ONE, _ONE),
    Scenario("restarted while the reconciler was down",
             "The prompt ends and ComfyUI restarts while the reconciler is down",
             _restarted_after_end, _TWO, _FORGOTTEN, "The manifest outlives ComfyUI's history."),
    Scenario("restarted while the reconciler was down, job id sent",
             "The same, and the application wrote its job id into `extra_pnginfo`",
             _restarted_after_end_named, _TWO, _TWO),
    Scenario("killed while the reconciler was down",
             "ComfyUI is killed while the prompt runs and the reconciler is down",
             _restarted_while_running, _RESTARTED, _FORGOTTEN),
    Scenario("came and went unseen",
             "The prompt is submitted and ends, and ComfyUI restarts, while the reconciler is down",
             _unseen, _TWO, failed("never_submitted", "no server ever knew"),
             "Without the pack after `timeouts.never_seen_s`."),
    Scenario("came and went unseen, job id sent",
             "The same, and the application wrote its job id into `extra_pnginfo`",
             _unseen_named, _TWO, _TWO),
    Scenario("dead worker", "An exception kills ComfyUI's worker thread", _worker_dead,
             failed("worker_dead", "worker"), failed("stalled", "budget"),
             "Without the pack a zombie looks like a long job: only the runtime budget"
             " (`stall.budget`) ends it."),
    Scenario("hanging node", "A node never returns", _hang,
             failed("stalled", "no progress", "Hang"), failed("stalled", "budget"),
             "Without the pack nobody hears the progress of another client's prompt, so silence"
             " says nothing."),
)  # fmt: skip

#: With --disable-metadata no file carries a tag.
UNTAGGED = (
    Scenario("no metadata", "--disable-metadata: the prompt ends as usual",
             lambda stage: stage.send(graphs.pictures(stage.prefix("untagged"))), _TWO, _TWO),
    Scenario("no metadata, restarted while the reconciler was down",
             "The same, and ComfyUI restarts while the reconciler is down",
             _restarted_after_end_named, _TWO, _FORGOTTEN, "Only the manifest is left."),
    Scenario("no metadata, killed after the save",
             "--disable-metadata: ComfyUI is killed right after the file was closed",
             _crash_after_save_named, _RESTARTED, _FORGOTTEN, "Nothing is left to prove it."),
)  # fmt: skip
