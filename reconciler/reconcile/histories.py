"""Many prompts left the queues at once: history is asked for a page, not once for each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from reconciler.comfyui.values import EndedPrompt, HistoryPage
from reconciler.core.evidence import Place
from reconciler.errors import ServerAnswer, ServerError
from reconciler.reconcile.servers import WatchedServer

log = structlog.get_logger(__name__)

#: From so many missing prompts of one server on a page is asked for.
PAGE_FROM = 20
#: Entries of a page at most: with their graphs they weigh some 20 MB.
PAGE_MOST = 1000
#: Prompts of one server that are asked for singly between two looks, at most: the others stay where
#: they were until it is their turn.
QUESTIONS = 100
#: Seconds that the single questions to one server may take between two looks: the servers are asked
#: one after the other, and one that is slow must not hold up the jobs of all others.
PATIENCE_S = 5.0


@dataclass
class Histories:
    """The pages that were read since the last look. None may outlive it: a prompt that left the
    queue since then would be in neither."""

    #: A question that failed.
    note_failure: Callable[[WatchedServer, ServerError], None]
    _pages: dict[str, HistoryPage] = field(default_factory=dict)
    #: Whose turn it is to be asked for singly, where not all are.
    _chosen: dict[str, set[str]] = field(default_factory=dict)
    _turn: int = 0
    #: Seconds that single questions took.
    _asked_s: dict[str, float] = field(default_factory=dict)

    def forget(self) -> None:
        """The queues are about to be read anew."""
        self._pages.clear()
        self._chosen.clear()
        self._asked_s.clear()

    def prepare(self, server: WatchedServer, missing: list[str]) -> None:
        """These prompts are to be asked for: reads a page, where that is less than all of them."""
        self._chosen.pop(server.name, None)
        if len(missing) < PAGE_FROM:
            return
        if server.name not in self._pages:
            self._read(server, 2 * len(missing))
        left = [prompt_id for prompt_id in missing if self.answer(server, prompt_id) is None]
        if len(left) > QUESTIONS:
            start = self._turn % len(left)
            self._chosen[server.name] = set((left + left)[start : start + QUESTIONS])
            self._turn += QUESTIONS

    def may_ask(self, servers: Iterable[WatchedServer], prompt_id: str) -> bool:
        """False where it is not this prompt's turn at one of the servers, or that is too slow."""
        return all(
            self._is_in_turn(server, prompt_id) or self.answer(server, prompt_id) is not None
            for server in servers
        )

    def ask(self, server: WatchedServer, prompt_id: str) -> EndedPrompt | None:
        """A question for this prompt alone. Raises `ServerError`."""
        began_s = time.monotonic()
        try:
            return server.client.ending(prompt_id)
        finally:
            took_s = time.monotonic() - began_s
            self._asked_s[server.name] = self._asked_s.get(server.name, 0.0) + took_s

    def answer(self, server: WatchedServer, prompt_id: str) -> EndedPrompt | Place | None:
        """What the page says of a prompt: how it ended, or that history has not got it. None where
        only a question of its own can tell."""
        page = self._pages.get(server.name)
        if page is None:
            return None
        return page.ended.get(prompt_id) or (Place.ABSENT if page.whole else None)

    def _is_in_turn(self, server: WatchedServer, prompt_id: str) -> bool:
        patient = self._asked_s.get(server.name, 0.0) < PATIENCE_S
        return patient and prompt_id in self._chosen.get(server.name, (prompt_id,))

    def _read(self, server: WatchedServer, wanted: int) -> None:
        try:
            self._pages[server.name] = server.client.newest(min(wanted, PAGE_MOST))
        except ServerAnswer as error:  # too long, perhaps: single questions still have answers
            log.info("no page of history", server=server.name, reason=str(error))
        except ServerError as error:
            self.note_failure(server, error)
