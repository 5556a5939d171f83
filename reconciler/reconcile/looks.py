"""When each server was last asked for every prompt of no known server: other agents count by that.

Whoever judges such a job counts a look that does not show its prompt once the looks of all other
agents are newer. So a look is one here only if nothing that may be there was left out of it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from math import inf


@dataclass
class Looks:
    """The looks of one agent at its servers. Times: seconds, the database's clock."""

    #: Prompts that had to wait in the last pass, and when each was asked for last: the longer ago,
    #: the sooner it is its turn.
    due: dict[str, float] = field(default_factory=dict)
    _began_at: float = 0.0
    #: Servers that answered in this pass, and those that left a question without an answer.
    _answered: set[str] = field(default_factory=set)
    _silent: set[str] = field(default_factory=set)
    #: Prompts that a server was to be asked for, and that had to wait for their turn.
    _postponed: dict[str, set[str]] = field(default_factory=dict)
    #: When the pass began in which a server was asked last for a prompt, by both.
    _asked_at: dict[tuple[str, str], float] = field(default_factory=dict)

    def begin(self, now: float) -> None:
        """A pass begins."""
        self._began_at = now
        self.due = {
            prompt_id: self._asked_at.get((server, prompt_id), 0.0)
            for server, waiting in self._postponed.items()
            for prompt_id in waiting
        }
        for known in (self._answered, self._silent, self._postponed):
            known.clear()

    def answered(self, servers: Iterable[str]) -> None:
        """They told their queues."""
        self._answered.update(servers)

    def left_open(self, server: str) -> None:
        """A question had no answer: this pass is no look at it, however often it is asked again."""
        self._silent.add(server)

    def asked(self, server: str, prompt_id: str) -> None:
        """It was asked for this prompt."""
        self._asked_at[server, prompt_id] = self._began_at
        self._postponed.get(server, set()).discard(prompt_id)

    def postpone(self, server: str, prompt_id: str) -> None:
        """It is to be asked for this prompt in a later pass."""
        self._postponed.setdefault(server, set()).add(prompt_id)

    def turn_of(self, prompt_ids: Iterable[str]) -> float:
        """The lower, the sooner one of these is to be asked for."""
        return min((self.due.get(prompt_id, inf) for prompt_id in prompt_ids), default=inf)

    def clean(self) -> dict[str, float]:
        """By server, when the last look began; none where something was never asked for."""
        found = {}
        for server in self._answered - self._silent:
            waiting = self._postponed.get(server, ())
            times = [self._asked_at.get((server, prompt_id)) for prompt_id in waiting]
            known = [at for at in times if at is not None]
            if len(known) == len(times):
                found[server] = min(known, default=self._began_at)
        return found

    def forget(self, known: Container[str]) -> None:
        """Of these prompts alone something is still to be remembered."""
        self._asked_at = {key: at for key, at in self._asked_at.items() if key[1] in known}
