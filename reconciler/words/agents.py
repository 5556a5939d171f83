"""How the agents stand to each other and to the servers, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.words import duration
from reconciler.store.agents import AgentRecord, AgentStore
from reconciler.store.leases import LeaseRecord, all_leases
from reconciler.words.text import safe

if TYPE_CHECKING:
    from reconciler.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Agents:
    """All agents and leases; `now` by the database's clock."""

    agents: Sequence[AgentRecord]
    leases: Sequence[LeaseRecord]
    now: float
    takeover_s: float

    def held_by(self, agent: AgentRecord) -> list[LeaseRecord]:
        """Its leases, as long as they have not expired."""
        return [lease for lease in self.leases if lease.agent == agent.id and lease.live]

    def is_alive(self, agent: AgentRecord) -> bool:
        """It has been heard within the time after which others take its servers."""
        return self.now - agent.heartbeat_at < self.takeover_s

    def holder(self, server: str) -> AgentRecord | None:
        """Who reconciles a server."""
        lease = next((one for one in self.leases if one.server == server and one.live), None)
        holder = None if lease is None else lease.agent
        return next((agent for agent in self.agents if agent.id == holder), None)

    def state(self, agent: AgentRecord) -> str:
        """What it does, in a few words."""
        if not self.is_alive(agent):
            return "gone"
        if agent.waiting is not None:
            return "waits"
        return "reconciles" if self.held_by(agent) else "stands by"

    def unattended(self, names: Iterable[str]) -> list[str]:
        """Words about each of these servers that an agent had, and none has now."""
        idle = {one.server: one for one in self.leases if self.holder(one.server) is None}
        return [self._unattended(idle[name]) for name in names if name in idle]

    def _unattended(self, lease: LeaseRecord) -> str:
        since = lease.renewed_at
        ago = "" if since is None else f" for {duration(max(self.now - since, 0.0))}"
        return (
            f"Nobody has reconciled {safe(lease.server)}{ago}: its jobs stay as they are until an"
            " agent does."
        )


def read(connection: Connection, now: float, takeover_s: float) -> Agents:
    """How the agents and leases stand. Raises DatabaseError."""
    return Agents(AgentStore(connection).all(), all_leases(connection), now, takeover_s)
