"""The run of a prompt: when its clocks start, when they start anew, and what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.comfyui.values import Look, QueuedPrompt, RunningState
from reconciler.core.evidence import Doing, Place
from reconciler.outputs.storage import Storage
from reconciler.reconcile.live import Heard
from reconciler.reconcile.runs import doing_of, note_run, unwatched_s
from reconciler.reconcile.servers import WatchedServer
from reconciler.store.records import PromptRecord
from reconciler.store.servers import ServerRecord

NOW = 50_000.0
SAMPLING = Doing("7", "KSampler", 12, 30)


class Book:
    root = Path("/nowhere")
    storage = Storage(root)


def server(name: str = "gpu", unwatched: float = 0.0, **look: Any) -> WatchedServer:
    record = ServerRecord(name, "http://gpu.invalid", unwatched_s=unwatched)
    made = WatchedServer(record, None, Book(), str)  # type: ignore[arg-type]
    made.queue = Look(**look)
    return made


def running(**fields: Any) -> PromptRecord:
    """A prompt that has run for an hour."""
    known = {"server": "gpu", "running_since": NOW - 3_600, "doing": SAMPLING}
    return PromptRecord("p", "1", 1, **(known | fields))


def test_the_first_look_that_finds_it_running_starts_its_clocks() -> None:
    prompt = PromptRecord("p", "1", 1)
    assert not note_run(prompt, server(unwatched=70.0), Place.RUNNING, NOW), "no run before"
    assert (prompt.running_since, prompt.unwatched_before_s) == (NOW, 70.0)


def test_a_run_that_goes_on_keeps_its_clocks() -> None:
    prompt = running(unwatched_before_s=70.0, last_sign_at=NOW - 60)
    before = (prompt.running_since, prompt.last_sign_at, prompt.doing)
    assert not note_run(prompt, server(unwatched=270.0), Place.RUNNING, NOW)
    assert (prompt.running_since, prompt.last_sign_at, prompt.doing) == before
    assert unwatched_s(prompt, server(unwatched=270.0)) == 200.0


@pytest.mark.parametrize(
    ("prompt", "of"),
    [
        (running(missing_looks=1), server()),
        (running(server="another"), server()),
        (running(boot_id="one"), server(boot_id="two")),
        (running(), server(states={"p": RunningState(age_s=3_500.0)})),
    ],
)
def test_what_tells_that_it_runs_anew(prompt: PromptRecord, of: WatchedServer) -> None:
    prompt.last_sign_at = NOW - 60
    assert note_run(prompt, of, Place.RUNNING, NOW)
    assert (prompt.running_since, prompt.last_sign_at, prompt.doing) == (NOW, None, None)


@pytest.mark.parametrize(
    ("prompt", "of"),
    [
        (running(boot_id="one"), server(boot_id="one")),
        (running(boot_id=None), server(boot_id="two")),
        (running(boot_id="one"), server()),
        (running(), server(states={"p": RunningState(age_s=3_550.0)})),
        (running(), server(states={"p": RunningState(age_s=None)})),
        (running(), server(states={"other": RunningState(age_s=1.0)})),
    ],
)
def test_what_tells_nothing_of_the_sort(prompt: PromptRecord, of: WatchedServer) -> None:
    assert not note_run(prompt, of, Place.RUNNING, NOW)
    assert prompt.running_since == NOW - 3_600


def test_one_that_waits_does_not_run() -> None:
    prompt = running()
    assert note_run(prompt, server(), Place.PENDING, NOW)
    assert prompt.running_since is None
    assert not note_run(prompt, server(), Place.PENDING, NOW), "nothing was heard since"


def test_a_server_that_is_forgotten_or_counts_anew_is_no_reason_for_haste() -> None:
    assert unwatched_s(running(unwatched_before_s=900.0), server(unwatched=10.0)) == 0.0
    assert unwatched_s(running(), None) == 0.0
    assert unwatched_s(PromptRecord("p", "1", 1), server(unwatched=10.0)) == 0.0


def test_what_it_does_is_what_was_heard_last() -> None:
    graph = QueuedPrompt("p", 1.0, node_types={"7": "KSampler", "9": "SaveVideo"})
    assert doing_of(None, graph, SAMPLING) == SAMPLING
    assert doing_of(Heard(0.0), graph, SAMPLING) == SAMPLING, "a sign of no node in particular"
    heard = Heard(0.0, node_id="9", value=3, maximum=4)
    assert doing_of(heard, graph, SAMPLING) == Doing("9", "SaveVideo", 3, 4)
    heard.node_type = "Told"
    assert doing_of(heard, graph, SAMPLING) == Doing("9", "Told", 3, 4), "who runs it knows best"


def test_a_type_that_was_known_once_is_kept_for_its_node_alone() -> None:
    bare = QueuedPrompt("p", 1.0)
    assert doing_of(Heard(0.0, node_id="7", value=1), bare, SAMPLING) == Doing("7", "KSampler", 1)
    assert doing_of(Heard(0.0, node_id="8"), bare, SAMPLING) == Doing("8")
