"""What a job's story is told from, and what keeps it from going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.lease import UNKNOWN
from reconciler.settings import Settings
from reconciler.store import Store
from reconciler.store.records import PromptRecord, StoryEvent
from reconciler.store.servers import ServerRecord
from reconciler.store.views import JobView
from reconciler.words import agents
from reconciler.words.servers import nobody_looks, server_trouble


@dataclass(frozen=True, slots=True)
class Told:
    """What a story is made of; `now` by the database's clock."""

    job: JobView
    events: Sequence[StoryEvent]
    prompts: Sequence[PromptRecord]
    servers: Sequence[ServerRecord]
    now: float
    #: About servers that no agent reconciles now, by their names.
    unattended: Mapping[str, str] = field(default_factory=dict)


def tell(store: Store, settings: Settings, job: JobView) -> Told:
    """All that the story of a job is made of. Raises DatabaseError."""
    now = store.jobs.now()
    return Told(
        job,
        store.jobs.story(job.id),
        store.views.prompts(job.id),
        servers_of(store, settings),
        now,
        _unattended(store, settings, now),
    )


def servers_of(store: Store, settings: Settings) -> list[ServerRecord]:
    """The servers that the settings name; all that were ever seen where they name none."""
    names = {server.name for server in settings.servers}
    return [server for server in store.servers.all() if not names or server.name in names]


def troubles(told: Told, settings: Settings) -> list[str]:
    """What keeps the next step from coming; a final row waits for nothing."""
    if not told.job.is_open:
        return []
    names = {prompt.server for prompt in told.prompts if prompt.server}
    asked = [server for server in told.servers if not names or server.name in names]
    silent = [words for server in asked if (words := server_trouble(server, told.now))]
    names |= {told.job.server} if told.job.server else set()
    unattended = [w for name, w in told.unattended.items() if not names or name in names]
    idle = nobody_looks(told.servers, settings, told.now)
    return silent + (unattended or ([idle] if idle else []))


def _unattended(store: Store, settings: Settings, now: float) -> dict[str, str]:
    """About the servers that no agent reconciles now, by their names."""
    known = agents.read(store.connection, now, settings.agent.takeover_s)
    names = [
        lease.server
        for lease in known.leases
        if lease.server != UNKNOWN and known.holder(lease.server) is None
    ]
    return dict(zip(names, known.unattended(names), strict=True))
