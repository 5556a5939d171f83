"""What is going on: the page that stays open all day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from reconciler.core.jobs import FailureCode, Status
from reconciler.settings import Settings
from reconciler.store import Store
from reconciler.store.job_filter import JobFilter
from reconciler.store.stats import OpenJobs
from reconciler.web.context import Context
from reconciler.web.pages import servers
from reconciler.web.pages.job_list import one_of
from reconciler.web.pages.plots import DEFAULT_SPAN, SPANS, begin_of, plot, step_of
from reconciler.web.pages.rendering import render
from reconciler.web.pages.servers import Health
from reconciler.web.security.access import Reader

#: Jobs of each short list.
MOST = 5
#: What hung is told for so long, in seconds.
STALLED_S = 86_400.0
#: Passes without a sign of life for longer are called slow.
SLOW_S = 60.0
_HANGING = frozenset([FailureCode.STALLED, FailureCode.WORKER_DEAD])

router = APIRouter(include_in_schema=False)


@router.get("/")
def overview(request: Request, context: Context, caller: Reader) -> HTMLResponse:
    """Counts, what runs, what waits, what is wrong."""
    span = one_of(request.query_params, "over", [*SPANS]) or DEFAULT_SPAN
    with context.stores.one() as store:
        shown = gather(store, context.settings, span)
        shown["counts"] = context.counted.get(store.stats.by_status)
    shown["is_watched"] = context.sampling is not None
    shown["health"] = list(_health(shown, context.idle_s()))
    return render(request, "overview.html", **shown)


def gather(store: Store, settings: Settings, span: str) -> dict[str, Any]:
    """What the template shows, the counts apart. Raises DatabaseError."""
    known = servers.gather(store, settings)
    now: float = known["now"]
    endings = store.stats.endings(begin_of(span, now), step_of(span))
    hanging = JobFilter(failures=_HANGING, ended_after=now - STALLED_S)
    oldest = store.views.some(store.stats.oldest_waiting(MOST))
    return known | {
        "completed": plot(endings, Status.COMPLETED, span, now),
        "failed": plot(endings, Status.FAILED, span, now),
        "span": span,
        "spans": {word: words for word, (_, _, words) in SPANS.items()},
        "waiting": sorted(oldest, key=lambda job: job.opened_at or now),
        "stalled": store.pages.page(hanging, limit=MOST).jobs,
        "open": store.stats.open(),
    }


def _health(shown: Mapping[str, Any], idle_s: float | None) -> Iterator[tuple[str, Health, str]]:
    """What has to be well: its name, its state, and a sentence."""
    yield "Database", Health("completed", "answers"), "Rows and our own tables can be read."
    yield "Watcher", *_watcher(shown["open"], shown["idle"], idle_s)
    for agent in shown["agents"]:
        host = f"on {agent.record.host}, version {agent.record.version}"
        yield f"Agent {agent.record.name}", agent.health, agent.record.waiting or host
    if not shown["agents"]:
        yield "Agents", Health("failed", "none"), "Start the service: reconciler run."


def _watcher(
    waiting: Sequence[OpenJobs], idle: str | None, idle_s: float | None
) -> tuple[Health, str]:
    """How the passes and the output directories are, as far as that is known here."""
    stuck = sum(one.number for one in waiting if one.rule == "storage")
    if stuck:
        words = f"{stuck} open jobs wait for their output directory, which is away."
        return Health("failed", "storage away"), words
    if idle is not None:
        return Health("failed", "nobody looks"), idle
    if idle_s is not None and idle_s > SLOW_S:
        return Health("warned", "slow"), f"The last sign of life was {idle_s:.0f} s ago."
    return Health("completed", "watches"), "Queues and output directories are looked at."
