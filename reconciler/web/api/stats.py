"""Jobs in numbers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from reconciler.core.jobs import FailureCode
from reconciler.store import Store
from reconciler.store.stats import RunTimes, Stretch
from reconciler.store.views import JobView
from reconciler.web.api.asking import Asked
from reconciler.web.api.models.stats import Stats
from reconciler.web.context import Context
from reconciler.web.security.access import Reader
from reconciler.words import as_json
from reconciler.words.times import iso

router = APIRouter(prefix="/api/v1", tags=["stats"])

HOUR_S = 3600
PER_S = {"hour": HOUR_S, "day": 24 * HOUR_S}
#: Of jobs that wait so many are told.
WAITING = 5
_STALLED = (FailureCode.STALLED, FailureCode.WORKER_DEAD)


class StatsAsked(Asked):
    """Of which time."""

    hours: int = Field(24, ge=1, le=24 * 90, description="How far back, in hours.")
    per: Literal["hour", "day"] = Field("hour", description="What a stretch of the history is.")


@router.get("/stats", summary="Jobs in numbers")
def stats(context: Context, caller: Reader, asked: Annotated[StatsAsked, Query()]) -> Stats:
    """How many have which status, what is open and why, how jobs ended, how long they took."""
    per_s = PER_S[asked.per]
    with context.stores.one() as store:
        now = store.jobs.now()
        since = (now - asked.hours * HOUR_S) // per_s * per_s
        history = store.stats.history(since, now, per_s)
        told: dict[str, Any] = {
            "since": iso(since),
            "until": iso(now),
            "per_s": per_s,
            "counts": context.counted.get(store.stats.by_status),
            "open": [_plain(one) for one in store.stats.open()],
            "stalled": sum(one.failures.get(code, 0) for one in history for code in _STALLED),
            "oldest_waiting": [as_json.job(view, now) for view in oldest_waiting(store)],
            "history": [_stretch(one) for one in history],
            "durations": [_times(one) for one in store.stats.run_times(since)],
        }
    return Stats.of(told)


def oldest_waiting(store: Store) -> list[JobView]:
    """The jobs that have been queued for longest."""
    found = (store.views.one(job_id) for job_id in store.stats.oldest_waiting(WAITING))
    return [view for view in found if view is not None]


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _stretch(one: Stretch) -> dict[str, Any]:
    return _plain(one) | {"at": iso(one.at)}


def _times(one: RunTimes) -> dict[str, Any]:
    values = _plain(one)
    return {"type": values.pop("job_type"), **values}
