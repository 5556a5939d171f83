"""Which jobs are this reconciler's to judge, where several share the database.

A job whose server is known is judged by the agent that has that server's lease, and by nobody while
nobody has it. The jobs of no known server are judged by the holder of one lease more. Every agent
looks for their prompts on its own servers: one that is found moves its job there.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from reconciler.store.leases import LeaseRecord
from reconciler.store.records import JobRecord, PromptRecord

#: Agents' clocks tell the database's time to this many seconds.
CLOCKS_S = 2.0
#: A server whose agent is silent for no longer than this may still know a prompt, in seconds.
SILENT_S = 3600.0


@dataclass
class Remit:
    """By default everything is judged: there is only one reconciler."""

    #: The jobs of no known server are ours.
    unknown: bool = True
    #: The leases that are not ours, by server; nobody has some of them.
    others: dict[str, LeaseRecord] = field(default_factory=dict)
    #: The servers whose leases are ours.
    _ours: Container[str] = ()
    #: Servers of live leases, and of such as have been live a moment ago, given back or not.
    _answering: list[LeaseRecord] = field(default_factory=list)
    #: When a look counted last that did not show a prompt of no known server.
    _counted: dict[str, float] = field(default_factory=dict)
    #: Jobs of no known server, others' to judge, whose prompts are looked for here.
    _sought: set[str] = field(default_factory=set)

    def take(
        self, leases: Iterable[LeaseRecord], ours: Container[str], *, unknown: bool, now: float
    ) -> None:
        """Takes over how the leases stand. To be called before the rows are read."""
        self.unknown, self._ours = unknown, ours
        self.others = {one.server: one for one in leases if one.server not in ours}
        self._answering = [
            one for one in self.others.values()
            if one.renewed_at is not None and now - one.renewed_at < SILENT_S
        ]  # fmt: skip

    def has_news(self, records: Iterable[JobRecord]) -> bool:
        """True where another agent has begun to look for a job's prompt, which may be here."""
        if self.unknown:
            return False
        before, self._sought = (
            self._sought,
            {
                record.job.id
                for record in records
                if record.is_followed
                and not record.job.status.is_final
                and server_of(record) is None
            },
        )
        return bool(self._sought - before)

    def judges(self, record: JobRecord) -> bool:
        """True where this job is ours to judge."""
        server = server_of(record)
        return not self.is_others(server) and (self.unknown or server in self._ours)

    def follows(self, record: JobRecord) -> bool:
        """True where it is ours to take over what the application did to the row. Where nobody has
        its server, a retry on another one must not wait for that."""
        lease = self.others.get(server_of(record) or "")
        is_idle = lease is not None and (lease.agent is None or not lease.live)
        return self.judges(record) or (self.unknown and is_idle)

    def is_others(self, server: str | None) -> bool:
        """True for a server whose lease is not ours. One that never had a lease is nobody's name:
        the settings called it otherwise, and its jobs are those of no known server."""
        return server in self.others

    @property
    def others_look(self) -> bool:
        """True where other agents may find a prompt of no known server."""
        return bool(self._answering)

    def counts(self, prompt: PromptRecord, now: float) -> bool:
        """True where one more look counts that did not show this prompt, of no known server: where
        every other agent has looked, too, since the last that counted. Had one found it, the
        prompt would have a server by now, as the rows are read after the leases."""
        if not self.unknown:
            return False
        if not self._answering:
            return True
        last = self._counted.setdefault(prompt.prompt_id, now)
        if any((one.looked_at or 0.0) < last + CLOCKS_S for one in self._answering):
            return False
        self._counted[prompt.prompt_id] = now
        return True

    def forget(self, known: Container[str]) -> None:
        """Of these prompts alone something is still to be remembered."""
        self._counted = {key: at for key, at in self._counted.items() if key in known}


def server_of(record: JobRecord) -> str | None:
    """The server of a job: the one that its row names, else that of its prompt, an open one
    first."""
    if record.row_server is not None:
        return record.row_server
    known = [prompt for prompt in record.attempted if prompt.server is not None]
    open_ones = [prompt for prompt in known if prompt.ending is None]
    found = open_ones or known
    return found[-1].server if found else None
