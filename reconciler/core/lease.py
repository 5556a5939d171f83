"""Leases: how long an agent may believe that a server is its own.

Safety does not rest on belief: every change checks server, agent and epoch in its own transaction.
Belief decides whether work is begun at all, and whether ComfyUI is told to do something, which no
transaction can take back. It is counted on the agent's own clock, from before the database was
asked: the database began to count later, whatever the answer took.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

#: The server of jobs whose server is not known.
UNKNOWN = "*"


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """The times that follow from `takeover_s`: within that, a dead agent's servers have another."""

    takeover_s: float

    @property
    def lease_s(self) -> float:
        """How long a lease lasts from its renewal, by the database's clock."""
        return self.takeover_s / 2

    @property
    def renew_s(self) -> float:
        """From one renewal to the next: a single one that fails is no loss."""
        return self.takeover_s / 8

    @property
    def margin_s(self) -> float:
        """By how much belief ends before the lease: clocks may differ in speed by a tenth."""
        return self.lease_s / 10

    @property
    def poll_s(self) -> float:
        """How often those look who wait for a lease."""
        return min(1.0, self.renew_s)

    @property
    def idle_s(self) -> float:
        """How long a transaction may be left open: a frozen agent's holds up its successor."""
        return self.takeover_s / 4


@dataclass(frozen=True, slots=True)
class Lease:
    """A server, and the epoch in which it is ours."""

    server: str
    epoch: int


class Holdings:
    """What an agent knows of its own leases. Times: seconds of its own clock, which may run a
    little fast or slow, and may leap ahead, but never stands still.
    """

    def __init__(self, terms: LeaseTerms) -> None:
        self._terms = terms
        self._until_s: dict[Lease, float] = {}

    @property
    def leases(self) -> frozenset[Lease]:
        """Those that it was given and has not been seen to lose; perhaps expired."""
        return frozenset(self._until_s)

    def granted(self, epochs: Mapping[str, int], asked_at_s: float) -> None:
        """The database gave these to us, asked at that time."""
        for server, epoch in epochs.items():
            self._drop(server)
            self._until_s[Lease(server, epoch)] = self._until(asked_at_s)

    def renewed(
        self, asked: Collection[Lease], still_ours: Collection[str], asked_at_s: float
    ) -> frozenset[Lease]:
        """The database renewed those of `asked` that were still ours. Returns the lost ones."""
        lost = frozenset(lease for lease in asked if lease.server not in still_ours)
        for lease in asked:
            if lease in lost:
                self._until_s.pop(lease, None)
            elif lease in self._until_s:
                self._until_s[lease] = max(self._until_s[lease], self._until(asked_at_s))
        return lost

    def trusted(self, now_s: float) -> frozenset[Lease]:
        """Those that nobody else can have by now."""
        return frozenset(lease for lease, until_s in self._until_s.items() if now_s < until_s)

    def clear(self) -> None:
        """They were given back."""
        self._until_s.clear()

    def _until(self, asked_at_s: float) -> float:
        return asked_at_s + self._terms.lease_s - self._terms.margin_s

    def _drop(self, server: str) -> None:
        for lease in [lease for lease in self._until_s if lease.server == server]:
            del self._until_s[lease]
