"""Times, durations and jobs in words."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.cli.terminal import safe
from reconciler.core.words import duration

if TYPE_CHECKING:
    from reconciler.store.servers import ServerRecord
    from reconciler.store.views import JobView

__all__ = ["ago", "counted", "duration", "iso", "local", "server_trouble", "short", "verdict"]

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def short(seconds: float) -> str:
    """One unit, for a column: "42s", "4m", "3h", "12d"."""
    if not math.isfinite(seconds):
        return "∞"
    left = max(round(seconds), 0)
    for unit, size in _UNITS:
        if left >= size:
            return f"{left // size}{unit[0]}"
    return "0s"


def counted(number: int | None, thing: str) -> str:
    """A number of things: "1 frame", "72 frames", "unknown frames"."""
    shown = "unknown" if number is None else str(number)
    return f"{shown} {thing}" if number == 1 else f"{shown} {thing}s"


def ago(instant: float, now: float) -> str:
    """How long ago it was."""
    return f"{duration(now - instant)} ago"


def local(instant: float, now: float) -> str:
    """Local time; with the date where that is not today's."""
    there, here = datetime.fromtimestamp(instant), datetime.fromtimestamp(now)
    return f"{there:%H:%M:%S}" if there.date() == here.date() else f"{there:%Y-%m-%d %H:%M:%S}"


def iso(instant: float | None) -> str | None:
    """The same for programs, in UTC."""
    if instant is None:
        return None
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds")


def verdict(job: JobView) -> str:
    """The status, with the code of a failure."""
    if job.warned:
        return f"{job.status}, with a warning"
    return safe(job.status) if job.failure is None else f"{safe(job.status)}: {job.failure}"


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
