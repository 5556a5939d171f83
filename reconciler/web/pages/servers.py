"""Servers and agents: who is well, who runs what, who looks after whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from reconciler.core.jobs import Status
from reconciler.core.lease import UNKNOWN
from reconciler.settings import Settings
from reconciler.store import Store
from reconciler.store.agents import AgentRecord
from reconciler.store.job_filter import JobFilter, Sort
from reconciler.store.leases import LeaseRecord
from reconciler.store.servers import ServerRecord
from reconciler.store.stats import OpenJobs
from reconciler.store.views import JobView
from reconciler.web.context import Context
from reconciler.web.pages.rendering import render
from reconciler.web.security.access import Reader
from reconciler.words.agents import Agents, read
from reconciler.words.servers import nobody_looks, server_trouble
from reconciler.words.told import servers_of

router = APIRouter(include_in_schema=False)

#: Running jobs that are shown, of all servers together.
MOST_RUNNING = 100
_RUNNING = JobFilter(statuses=frozenset([Status.PROCESSING]))


@dataclass(frozen=True, slots=True)
class Health:
    """A state: the badge of which status it looks like, and its word."""

    look: str
    word: str


@dataclass(frozen=True, slots=True)
class ServerCard:
    """One server as the page shows it."""

    record: ServerRecord
    health: Health
    #: What is wrong, in a sentence; None where nothing is known to be.
    trouble: str | None
    #: Nobody looks after it, in a sentence.
    unattended: str | None
    #: Who does, and its lease; None where nobody does.
    holder: AgentRecord | None
    lease: LeaseRecord | None
    running: Sequence[JobView]
    #: Open jobs of ours that wait there.
    queued: int


@dataclass(frozen=True, slots=True)
class AgentCard:
    """One agent as the page shows it."""

    record: AgentRecord
    health: Health
    #: Names of the servers that it reconciles, with the epoch of each lease.
    held: tuple[tuple[str, int], ...]


@router.get("/servers")
def servers(request: Request, context: Context, caller: Reader) -> HTMLResponse:
    """All servers and agents."""
    with context.stores.one() as store:
        shown = gather(store, context.settings)
    return render(request, "servers.html", **shown)


def gather(store: Store, settings: Settings) -> dict[str, Any]:
    """What the template shows. Raises DatabaseError."""
    now, records = store.jobs.now(), servers_of(store, settings)
    agents = read(store.connection, now, settings.agent.takeover_s)
    running = store.pages.page(_RUNNING, sort=Sort.ID, limit=MOST_RUNNING).jobs
    waiting = store.stats.open()
    return {
        "now": now,
        "servers": [server_card(one, agents, running, waiting) for one in records],
        "agents": [agent_card(one, agents) for one in agents.agents],
        "unattended": agents.unattended([UNKNOWN]),
        "idle": nobody_looks(records, settings, now),
    }


def server_card(
    record: ServerRecord,
    agents: Agents,
    running: Sequence[JobView],
    waiting: Sequence[OpenJobs],
) -> ServerCard:
    """One server, with what concerns it of all the others."""
    queued = sum(
        one.number
        for one in waiting
        if one.server == record.name and one.status == Status.QUEUED.value
    )
    return ServerCard(
        record,
        _health(record, agents.now),
        server_trouble(record, agents.now),
        next(iter(agents.unattended([record.name])), None),
        agents.holder(record.name),
        next((one for one in agents.leases if one.server == record.name), None),
        [job for job in running if job.server == record.name],
        queued,
    )


def agent_card(record: AgentRecord, agents: Agents) -> AgentCard:
    """One agent, with its leases."""
    looks: Mapping[str, str] = {"gone": "failed", "waits": "warned", "reconciles": "completed"}
    state = agents.state(record)
    held = tuple((_called(lease.server), lease.epoch) for lease in agents.held_by(record))
    return AgentCard(record, Health(looks.get(state, "queued"), state), held)


def _health(record: ServerRecord, now: float) -> Health:
    if record.unreachable_since is not None:
        return Health("failed", "does not answer")
    if record.is_shared(now):
        return Health("warned", "several servers")
    if record.worker_dead_since is not None:
        return Health("failed", "worker dead")
    if record.answered_at is None:
        return Health("queued", "not looked at yet")
    return Health("completed", "answers")


def _called(server: str) -> str:
    return "jobs of no known server" if server == UNKNOWN else server
