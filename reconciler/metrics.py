"""What happens in this process, counted where it happens, for Prometheus.

What is in the database is read when it is asked for (`web.measuring`): here is only what no table
knows. Labels are bounded: servers of the settings, reasons, verdicts; never a job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

#: Apart from the library's own, which others may use.
REGISTRY = CollectorRegistry()
# When each series began: as many series again, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

#: Of jobs: from a picture of a second to a film of a night.
_LONG_S = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
#: Of what should be quick: from a moment to a minute.
_SHORT_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)
#: The label of jobs of which nobody knows the server.
_OTHER = "unknown"

looks = Counter(
    "reconciler_looks_total", "Looks at servers that were answered.", ["server"], registry=REGISTRY
)
look_failures = Counter(
    "reconciler_look_failures_total",
    "Looks at servers that had no usable answer: refused, timeout, answer.",
    ["server", "kind"],
    registry=REGISTRY,
)
queue_depth = Gauge(
    "reconciler_queue_depth",
    "Prompts in a server's queue at the last look, whoever submitted them.",
    ["server", "state"],
    registry=REGISTRY,
)
jobs_ended = Counter(
    "reconciler_jobs_ended_total",
    "Jobs that this process ended, with the code of the failure.",
    ["status", "reason", "server"],
    registry=REGISTRY,
)
reaction = Histogram(
    "reconciler_reaction_seconds",
    "From the end of a prompt, by ComfyUI's clock, to its row.",
    buckets=_SHORT_S,
    registry=REGISTRY,
)
run_duration = Histogram(
    "reconciler_run_duration_seconds",
    "How long prompts ran: success, error, interrupted.",
    ["kind"],
    buckets=_LONG_S,
    registry=REGISTRY,
)
run_wait = Histogram(
    "reconciler_run_wait_seconds",
    "How long prompts waited in a queue before they ran.",
    buckets=_LONG_S,
    registry=REGISTRY,
)
inspection = Histogram(
    "reconciler_inspection_duration_seconds",
    "How long files were inspected: sound, unsound, unjudged, error.",
    ["verdict"],
    buckets=_SHORT_S,
    registry=REGISTRY,
)
passes = Histogram(
    "reconciler_pass_duration_seconds",
    "How long a pass over all jobs took.",
    buckets=_SHORT_S,
    registry=REGISTRY,
)


def looked(server: str, running: int, pending: int) -> None:
    """A server told its queue."""
    looks.labels(server).inc()
    queue_depth.labels(server, "running").set(running)
    queue_depth.labels(server, "pending").set(pending)


def look_failed(server: str, kind: str) -> None:
    """A server told nothing: how long its queue is, nobody knows."""
    look_failures.labels(server, kind).inc()
    forget_server(server)


def forget_server(server: str) -> None:
    """Another agent looks at it now, or nobody."""
    for state in ("running", "pending"):
        with suppress(KeyError):  # it was never looked at
            queue_depth.remove(server, state)


def job_ended(
    status: str, reason: str | None, server: str | None, reacted_s: float | None = None
) -> None:
    """A row was set to a status that is final; `reacted_s` after its prompt ended."""
    jobs_ended.labels(status, reason or "", server or _OTHER).inc()
    if reacted_s is not None and reacted_s >= 0:
        reaction.observe(reacted_s)


def ran(kind: str, ran_s: float, waited_s: float | None) -> None:
    """A prompt ended."""
    run_duration.labels(kind).observe(ran_s)
    if waited_s is not None:
        run_wait.observe(waited_s)


@contextmanager
def inspecting() -> Iterator[Callable[[str], None]]:
    """While a file is inspected; the verdict is told to what this gives."""
    began_s, verdicts = monotonic(), ["error"]
    try:
        yield verdicts.append
    finally:
        inspection.labels(verdicts[-1]).observe(monotonic() - began_s)
