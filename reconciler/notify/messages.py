"""What a reader of the stream hears: messages, and which of them it asked for."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from reconciler.store.feed import FeedEvent, JobProgress
from reconciler.store.servers import ServerRecord


class Kind(StrEnum):
    """What a message is about."""

    #: The first one: from where on is told.
    HELLO = "hello"
    #: A sentence of a job's story: none is left out, none comes twice.
    EVENT = "event"
    #: How far an open job is. Only the last one counts.
    PROGRESS = "progress"
    #: All servers, as something about one of them changed.
    SERVERS = "servers"
    #: Something may have been missed: read anew what is shown.
    RESYNC = "resync"
    #: The database is away: nothing is told until it is back.
    PROBLEM = "problem"
    #: It is back, and what happened meanwhile follows.
    RECOVERED = "recovered"


@dataclass(frozen=True, eq=False)
class Message:
    """One message, the same for all readers."""

    kind: Kind
    data: Mapping[str, Any]
    #: Whoever comes back with it hears what followed. Of events their own.
    id: int | None = None
    #: What it is about; None: not about one job.
    job_id: str | None = None
    status: str | None = None
    server: str | None = None
    job_type: str | None = None

    @cached_property
    def text(self) -> str:
        """Its data as JSON."""
        return json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Filters:
    """What a reader asked for; empty: everything. What is about no job is told to everybody."""

    jobs: Collection[str] = field(default_factory=frozenset)
    #: An event is of the status to which it leads; one that leads to none is of none.
    statuses: Collection[str] = field(default_factory=frozenset)
    servers: Collection[str] = field(default_factory=frozenset)
    types: Collection[str] = field(default_factory=frozenset)

    def want(self, message: Message) -> bool:
        """True where the reader is to hear it."""
        return message.job_id is None or (
            (not self.jobs or message.job_id in self.jobs)
            and (not self.statuses or message.status in self.statuses)
            and (not self.servers or message.server in self.servers)
            and (not self.types or message.job_type in self.types)
        )


def of_event(event: FeedEvent) -> Message:
    """An event. Its evidence is not told: it is asked for where somebody wants to know."""
    data = {
        "id": event.id,
        "at": _iso(event.at),
        "job_id": event.job_id,
        "attempt": event.attempt,
        "kind": event.kind,
        "from_status": event.from_status,
        "to_status": event.to_status,
        "failure": event.failure,
        "rule": event.rule,
        "reason": event.reason,
        "server": event.server,
        "type": event.job_type,
    }
    return Message(
        Kind.EVENT, data, event.id, event.job_id, event.to_status, event.server, event.job_type
    )


def of_progress(job: JobProgress) -> Message:
    """How far a job is."""
    data = {
        "job_id": job.job_id,
        "status": job.status,
        "stage": job.stage,
        "progress": job.progress,
        "eta_s": job.eta_s,
        "eta_high_s": job.eta_high_s,
        "wait_s": job.wait_s,
        "queue_position": job.queue_position,
        "server": job.server,
        "type": job.job_type,
    }
    return Message(Kind.PROGRESS, data, None, job.job_id, job.status, job.server, job.job_type)


def of_servers(servers: Collection[ServerRecord]) -> Message:
    """How the servers are. Nothing in it changes with each look at them."""
    told = [
        {
            "name": server.name,
            "version": server.version,
            "answers": server.unreachable_since is None,
            "unreachable_since": _iso(server.unreachable_since),
            "unreachable_how": server.unreachable_how,
            "worker_dead_since": _iso(server.worker_dead_since),
        }
        for server in servers
    ]
    return Message(Kind.SERVERS, {"servers": told})


def _iso(instant: float | None) -> str | None:
    if instant is None:
        return None
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds")
