"""What changes without being an event: how far open jobs are, and how the servers are."""

from __future__ import annotations

import time
from collections.abc import Collection

from reconciler.notify.messages import Message, of_progress, of_servers
from reconciler.store.feed import FeedStore, JobProgress
from reconciler.store.servers import ServerStore

#: A change is stamped before its transaction ends: what is older than the last look by so much is
#: looked at again, in seconds.
OVERLAP_S = 10.0
#: Of each queue so many places are told: each end moves all that wait behind it.
NEAREST = 100


class Changes:
    """Finds what is new since the last look. For one connection to the database."""

    def __init__(self, feed: FeedStore, servers: ServerStore) -> None:
        self._feed = feed
        self._servers = servers
        self._looked_s = time.monotonic()
        self._told: dict[str, tuple[JobProgress, Message]] = {}
        self._told_servers: Message | None = None

    def look(self, job_ids: Collection[str]) -> list[Message]:
        """What is new; `job_ids` are told of wherever they wait. Raises DatabaseError."""
        now_s = time.monotonic()
        within_s = now_s - self._looked_s + OVERLAP_S
        changed = self._feed.changed(within_s, nearest=NEAREST, job_ids=job_ids)
        self._looked_s = now_s
        before, self._told, news = self._told, {}, []
        for job in changed:
            known = before.get(job.job_id)
            if known is None or known[0] != job:
                known = (job, of_progress(job))
                news.append(known[1])
            self._told[job.job_id] = known
        return news + self._servers_if_new()

    def recent(self) -> list[Message]:
        """What was told of late, and how the servers are, for whoever comes now."""
        servers = [] if self._told_servers is None else [self._told_servers]
        return [*servers, *(message for _, message in self._told.values())]

    def _servers_if_new(self) -> list[Message]:
        message = of_servers(self._servers.all())
        before, self._told_servers = self._told_servers, message
        return [message] if before is None or before.data != message.data else []
