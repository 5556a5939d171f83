"""How one reconciler asks one simulated server, and what the world makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from comfy_node.contract import PACK_VERSION
from reconciler.comfyui.values import EndedPrompt, HistoryPage, Look, ServerInfo
from reconciler.errors import ServerAnswer, ServerRefused, ServerTimeout
from reconciler.reconcile.servers import away_after_s
from tests.faults.stateful.comfyui import Comfy

#: A look is due every so many seconds; a longer gap than three of them is an outage.
INTERVAL_S = 100.0
AWAY_S = away_after_s(INTERVAL_S)


class Client:
    """How one reconciler asks one server (`reconcile.servers.Client`)."""

    def __init__(self, comfy: Comfy, before_question: Callable[[], None]) -> None:
        self.comfy = comfy
        self._before_question = before_question
        self._read = (0, 0)
        #: Prompts whose end was told, for the world to note.
        self.told: set[str] = set()

    def anew(self) -> Client:
        """The client of another lease: what this one has read is not known to it."""
        return Client(self.comfy, self._before_question)

    def look(self) -> Look:
        comfy = self._ask()
        if comfy.now - comfy.answered_at > AWAY_S:
            comfy.watched_since = comfy.now
            if comfy.running is not None:
                began = max(comfy.running.started_at or 0.0, comfy.answered_at)
                comfy.running.unwatched_s += comfy.now - began
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
        comfy = self._ask()
        if comfy.running is not None and comfy.running.id == prompt_id and comfy.worker_alive:
            assert comfy.running.cancel_asked, (
                "nobody wanted that, and the policy interrupts nothing"
            )
            comfy.end(comfy.running, "interrupted")

    def remove_pending(self, prompt_id: str) -> None:
        comfy = self._ask()
        for prompt in comfy.pending:
            if prompt.id == prompt_id:
                assert prompt.cancel_asked, "nobody wanted that"
                comfy.remove(prompt)

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
