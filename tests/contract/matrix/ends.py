"""Prompts that end while ComfyUI lives: nothing saved, errors, interrupts, removals, the cache."""

from __future__ import annotations

import time
from dataclasses import replace

from tests.contract.matrix import graphs
from tests.contract.matrix.scenario import Says, Scenario, Sent, completed, failed, lost
from tests.contract.matrix.stage import Stage

#: Long enough to be seen running, short enough to wait for its end.
SEEN_S = 0.6


def _preview(stage: Stage) -> Sent:
    return stage.send(graphs.preview())


def _partly_valid(stage: Stage) -> Sent:
    graph = graphs.pictures(stage.prefix("partly"))
    graph["8"] = graphs.node("SaveImage", filename_prefix=stage.prefix("refused"))
    return stage.send(graph, refused=("8",))


def _invalid(stage: Stage) -> Sent:
    graph = graphs.pictures(stage.prefix("invalid"))
    del graph["9"]["inputs"]["images"]
    assert stage.server.post("/prompt", {"prompt": graph}).status_code == 400
    return Sent(stage.rows.insert(), "")


def _error(stage: Stage) -> Sent:
    return stage.send(graphs.through("RaiseError", stage.prefix("error"), message="no such thing"))


def _out_of_memory(stage: Stage) -> Sent:
    return stage.send(graphs.through("OutOfMemory", stage.prefix("memory")))


def _interrupt_by_id(stage: Stage) -> Sent:
    sent = stage.send(graphs.long(stage.prefix("interrupted")))
    stage.wait_until_runs(sent)
    stage.server.post("/interrupt", {"prompt_id": sent.prompt_id})
    return sent


def _interrupt_all(stage: Stage) -> Sent:
    sent = stage.send(graphs.long(stage.prefix("interrupted")))
    stage.wait_until_runs(sent)
    stage.server.post("/interrupt")
    return sent


def waiting(stage: Stage) -> Sent:
    """A job that waits behind somebody else's long prompt."""
    stage.server.wait_until_running(stage.submit(graphs.long(stage.prefix("blocker"))))
    sent = stage.send(graphs.pictures(stage.prefix("waiting")))
    stage.wait_until_waits(sent)
    return sent


def _deleted(stage: Stage) -> Sent:
    sent = waiting(stage)
    stage.server.post("/queue", {"delete": [sent.prompt_id]})
    return replace(sent, ended_at=time.time())


def _wiped(stage: Stage) -> Sent:
    sent = waiting(stage)
    stage.server.post("/queue", {"clear": True})
    return replace(sent, ended_at=time.time())


def _cancel_running(stage: Stage) -> Sent:
    sent = stage.send(graphs.long(stage.prefix("cancelled")))
    stage.wait_until_runs(sent)
    return stage.cancel(sent)


def _cancel_waiting(stage: Stage) -> Sent:
    return stage.cancel(waiting(stage))


def _cached(stage: Stage) -> Sent:
    graph = graphs.pictures(stage.prefix("cached"))
    stage.done(stage.send(graph), completed("_00001_.png", owned=2))
    return stage.send(graph)


def _cached_and_deleted(stage: Stage) -> Sent:
    prefix = stage.prefix("gone")
    graph = graphs.pictures(prefix)
    stage.done(stage.send(graph), completed("_00001_.png", owned=2))
    for path in stage.ground.output_dir.glob(f"{prefix}*"):
        path.unlink()
    return stage.send(graph)


def seen_running(stage: Stage, *, named: bool = False) -> Sent:
    """A job that the reconciler has seen running when it is stopped, and that then ends."""
    graph = graphs.pictures(stage.prefix("unwatched"), step_seconds=SEEN_S)
    sent = stage.send(graph, named=named)
    stage.wait_until_runs(sent)
    stage.pause()
    return replace(sent, ended_at=stage.wait_for_end(sent))


def _while_down(stage: Stage) -> Sent:
    sent = seen_running(stage)
    stage.watch()
    return sent


def _history_cleared(stage: Stage) -> Sent:
    sent = seen_running(stage)
    stage.server.post("/history", {"clear": True})
    stage.watch()
    return sent


def _one_prefix(stage: Stage) -> Sent:
    prefix = stage.prefix("shared")
    _, second = (stage.send(graphs.pictures(prefix)) for _ in range(2))
    return second


_PICTURES = completed("_00001_.png", owned=2)
_FORGOTTEN = lost("neither in the queue nor in history")
_INTERRUPTED = failed("interrupted", "interrupted by someone", "SlowNoise")
_CANCELLED = Says("cancelled", None, ("cancelled by ana",), owned=0)
_REMOVED = Says("cancelled", None, ("deleted from ComfyUI's queue",), owned=0)

ENDS = (
    Scenario("preview only", "Only a preview is made", _preview,
             failed("no_output"), failed("no_output"),
             "`verdicts.no_output: complete` makes it completed."),
    Scenario("one of two savers invalid", "ComfyUI takes the prompt and refuses one of its savers",
             _partly_valid, _PICTURES, _PICTURES,
             "Only the answer of POST /prompt names the refused saver (`node_errors`): whoever"
             " submits must look at it. Nothing tells of it later."),
    Scenario("invalid prompt", "ComfyUI refuses the prompt (400)", _invalid,
             Says("queued"), Says("queued"),
             "No prompt exists: only the application was told. `timeouts.submit_s` fails such a"
             " row as never_submitted."),
    Scenario("execution error", "A node raises", _error,
             failed("execution_error", "RaiseError", "RuntimeError", "no such thing"),
             failed("execution_error", "RaiseError", "RuntimeError", "no such thing")),
    Scenario("out of memory", "A node runs out of memory", _out_of_memory,
             failed("out_of_memory", "OutOfMemory"), failed("out_of_memory", "OutOfMemory")),
    Scenario("interrupt by id", "Somebody interrupts this prompt", _interrupt_by_id,
             _INTERRUPTED, _INTERRUPTED),
    Scenario("global interrupt", "Somebody interrupts whatever runs", _interrupt_all,
             _INTERRUPTED, _INTERRUPTED),
    Scenario("deleted from the queue", "Somebody deletes the waiting prompt", _deleted,
             _REMOVED, _FORGOTTEN, "ComfyUI itself keeps no trace of it."),
    Scenario("queue wiped", "Somebody clears the queue", _wiped, _REMOVED, _FORGOTTEN),
    Scenario("cancelled, running", "Somebody asks us to cancel it while it runs", _cancel_running,
             _CANCELLED, _CANCELLED, "It is interrupted by its id."),
    Scenario("cancelled, waiting", "The same, while it waits", _cancel_waiting,
             _REMOVED, _CANCELLED, "It is deleted from the queue."),
    Scenario("cached", "The same graph again: ComfyUI writes nothing, lists the old files", _cached,
             completed("_00001_.png", "cached", owned=0),
             completed("_00001_.png", "cached", owned=0),
             "The files stay the first job's."),
    Scenario("cached, file deleted", "The same, and the old files are gone", _cached_and_deleted,
             failed("missing_output", "_00001_.png"), failed("missing_output", "_00001_.png")),
    Scenario("one filename prefix", "Two jobs save under one prefix", _one_prefix,
             completed("_00003_.png", owned=2), completed("_00003_.png", owned=2)),
    Scenario("reconciler down", "The prompt ends while the reconciler is down", _while_down,
             _PICTURES, _PICTURES),
    Scenario("history cleared", "The same, and the history is cleared before it is back",
             _history_cleared, _PICTURES, _FORGOTTEN,
             "Without the pack, an application that writes its job id into `extra_pnginfo` still"
             " gets completed."),
)  # fmt: skip
