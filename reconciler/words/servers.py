"""What is wrong with servers, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.core.words import duration
from reconciler.words.text import safe

if TYPE_CHECKING:
    from reconciler.settings import Settings
    from reconciler.store.servers import ServerRecord

#: A service looks at its servers several times in this many intervals.
MISSED_INTERVALS = 6
LEAST_IDLE_S = 60.0


def nobody_looks(servers: Sequence[ServerRecord], settings: Settings, now: float) -> str | None:
    """Words for the case that no service seems to run; None if one does or nobody can tell."""
    if any(server.unreachable_since is not None for server in servers):
        return None
    looks = [server.answered_at for server in servers if server.answered_at is not None]
    limit_s = max(LEAST_IDLE_S, MISSED_INTERVALS * settings.reconcile.interval_s)
    if not looks or now - max(looks) <= limit_s:
        return None
    return (
        f"Nobody has looked at any server for {duration(now - max(looks))}: is the service"
        " running (`reconciler run`)? What is shown may be out of date."
    )


def server_trouble(server: ServerRecord, now: float) -> str | None:
    """What is wrong with a server; None if nothing is known to be."""
    since, dead_since = server.unreachable_since, server.worker_dead_since
    if since is not None:
        return _silent(server, since, now)
    if server.is_shared(now):
        return (
            f"{safe(server.name)}: several ComfyUI servers answer behind {safe(server.url)}."
            " Nothing is concluded from what they say: give each an entry of its own in `servers`."
        )
    if dead_since is not None:
        return (
            f"{safe(server.name)} is unhealthy: it answers, but its worker thread has been dead for"
            f" {duration(now - dead_since)} ({safe(server.url)}). Restart ComfyUI; until then"
            " nothing runs there."
        )
    return None


def _silent(server: ServerRecord, since: float, now: float) -> str:
    how = {
        "refused": "nothing listens there",
        "timeout": "it accepts and does not answer in time",
        "answer": "what it answers is not ComfyUI's",
    }.get(server.unreachable_how or "", "no answer")
    return (
        f"{safe(server.name)} has not answered for {duration(now - since)}: {how}"
        f" ({safe(server.url)}). Nothing is concluded from that."
    )
