"""One reconciler of a history: built as the service builds it, on simulated servers and time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from comfy_node.contract import PACK_VERSION
from reconciler.comfyui.values import EndedPrompt, HistoryPage, Look, ServerInfo
from reconciler.core.expecting import ExpectPolicy
from reconciler.core.policy import Policy, StallPolicy
from reconciler.errors import ServerAnswer, ServerRefused, ServerTimeout
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.evidence_files import FileEvidence
from reconciler.reconcile.files import OutputBook
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.inspections import Inspections
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.passes import PassReport, Reconciler
from reconciler.reconcile.servers import WatchedServer, away_after_s
from reconciler.store import open_store
from reconciler.store.servers import ServerRecord
from tests.faults.stateful.comfyui import Comfy
from tests.integration.hours import InThisThread, Time
from tests.integration.reconciling import inspect_here

#: A look is due every so many seconds; a longer gap than three of them is an outage.
INTERVAL_S = 100.0
AWAY_S = away_after_s(INTERVAL_S)
CONFIRM_S = 20.0
#: Limits that differ, so that one cannot stand in for another.
POLICY = Policy(
    stall=StallPolicy(
        no_progress_s=600.0, base_s=900.0, per_frame_s=0.0, quiet_s=200.0, startup_grace_s=30.0
    ),
    missing_output_grace_s=30.0,
    lost_confirmations=3,
    lost_grace_s=60.0,
    restart_grace_s=25.0,
    never_seen_timeout_s=1300.0,
    server_down_timeout_s=1100.0,
)


class Later:
    """An executor whose work is done when the history says so."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def submit(self, work: Callable[[], None]) -> None:
        self._waiting.append(work)

    def do_all(self) -> None:
        while self._waiting:
            self._waiting.popleft()()


class Client:
    """How one reconciler asks one server (`reconcile.servers.Client`)."""

    def __init__(self, comfy: Comfy, before_question: Callable[[], None]) -> None:
        self.comfy = comfy
        self._before_question = before_question
        self._read = (0, 0)
        #: Prompts whose end was told, for the world to note.
        self.told: set[str] = set()

    def look(self) -> Look:
        comfy = self._ask()
        if comfy.now - comfy.answered_at > AWAY_S:
            comfy.watched_since = comfy.now
        comfy.looks, comfy.answered_at = comfy.looks + 1, comfy.now
        look = comfy.queue()
        for queued in look:
            comfy.prompts[queued.prompt_id].shown = True
        if not comfy.pack:
            return look
        boot, read = self._read
        ended = tuple(comfy.notes[read if boot == comfy.boot else 0 :])
        self._read = comfy.boot, len(comfy.notes)
        return replace(
            look,
            boot_id=f"{comfy.name}-{comfy.boot}",
            worker_alive=comfy.worker_alive,
            pack=PACK_VERSION,
            states=comfy.states(),
            ended=ended,
            complete=True,
        )

    def ending(self, prompt_id: str) -> EndedPrompt | None:
        comfy = self._ask()
        if comfy.network == "mute history":
            raise ServerAnswer("that entry is no JSON")
        prompt = comfy.prompts.get(prompt_id)
        if prompt is None or prompt.place != "history":
            return None
        prompt.shown, prompt.told_at = True, prompt.told_at or comfy.now
        self.told.add(prompt_id)
        return comfy.entry(prompt)

    def recent(self, max_items: int) -> tuple[EndedPrompt, ...]:
        comfy = self._ask()
        if comfy.network == "mute history":
            raise ServerAnswer("history is no JSON")
        return tuple(map(comfy.entry, comfy.ended[-max_items:]))

    def newest(self, max_items: int) -> HistoryPage:
        entries = {entry.prompt.prompt_id: entry for entry in self.recent(max_items)}
        return HistoryPage(entries, whole=len(entries) < max_items)

    def info(self) -> ServerInfo:
        self._ask()
        return ServerInfo(version="0.33.0")

    def interrupt(self, prompt_id: str) -> None:
        raise AssertionError("the policy interrupts nothing")

    def connect_anew(self) -> None: ...

    def reconnected(self) -> None: ...

    def _ask(self) -> Comfy:
        self._before_question()
        if not self.comfy.up or self.comfy.network == "refused":
            raise ServerRefused("connection refused")
        if self.comfy.network == "timeout":
            raise ServerTimeout("no answer in time")
        if self.comfy.network == "garbage":
            raise ServerAnswer("HTML instead of JSON")
        return self.comfy


class Agent:
    """A reconciler from its start to its end: what it does not store is gone with it."""

    def __init__(
        self, url: str, comfys: dict[str, Comfy], time: Time, before_question: Callable[[], None]
    ) -> None:
        self.later = Later()
        self.clients = {n: Client(comfy, before_question) for n, comfy in comfys.items()}
        self.store = open_store(url, create=False)
        clock, live = DatabaseClock(time.monotonic), LiveSigns(time.monotonic)
        clock.set(self.store.jobs.now())
        saved = {record.name: record for record in self.store.servers.all()}

        def watched(name: str, comfy: Comfy) -> WatchedServer:
            book = OutputBook(
                name,
                comfy.mount.resolve(),
                store=self.store.outputs,
                inspections=Inspections(self.later),  # type: ignore[arg-type]
                inspect=inspect_here,
                on_answer=lambda path: None,
                clock=clock,
                unsound_confirm_s=CONFIRM_S,
            )
            record = saved.get(name) or ServerRecord(name, f"http://{name}.invalid")
            client = self.clients[name]
            return WatchedServer(record, client, book, str, client_id="ours", away_s=AWAY_S)

        self.servers = {name: watched(name, comfy) for name, comfy in comfys.items()}
        files = FileEvidence(self.servers, self.store.outputs, clock, ExpectPolicy(), CONFIRM_S)
        pool: Any = InThisThread()
        gatherer = Gatherer(
            self.store, self.servers, clock, live, files, pool, watching_since=clock.now()
        )
        self.reconciler = Reconciler(self.store, gatherer, clock, POLICY, late_s=1e7)

    def close(self) -> None:
        self.store.connection.close()

    def settle(self) -> None:
        """Every inspection that was asked for answers."""
        self.later.do_all()

    def run_pass(self, look_at: list[str] | None, *, search_history: bool) -> PassReport:
        return self.reconciler.run_pass(look_at, search_history=search_history)

    def scan(self) -> None:
        """A listing of the output directories, as the service makes now and then."""
        for name, server in self.servers.items():
            for path in sorted(self.clients[name].comfy.mount.glob("*.png")):
                server.book.look_up(server.book.root / path.name, urgent=False)
