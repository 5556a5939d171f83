"""What jobs fail of: grouped, with what can be done about it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from reconciler.store.causes import MOST_FAILURES, causes
from reconciler.web.context import Context
from reconciler.web.pages.job_list import PERIODS, one_of
from reconciler.web.pages.rendering import render
from reconciler.web.security.access import Reader
from reconciler.words.remedies import REMEDIES

DEFAULT = "7d"

router = APIRouter(include_in_schema=False)


@router.get("/failures")
def failures(request: Request, context: Context, caller: Reader) -> HTMLResponse:
    """The causes of a period, the most frequent first."""
    period = one_of(request.query_params, "period", [*PERIODS]) or DEFAULT
    with context.stores.one() as store:
        now = store.jobs.now()
        found = causes(store.connection, now - PERIODS[period][0])
    return render(
        request,
        "failures.html",
        now=now,
        causes=found,
        total=sum(cause.number for cause in found),
        is_cut=sum(cause.number for cause in found) >= MOST_FAILURES,
        period=period,
        periods={word: words for word, (_, words) in PERIODS.items()},
        remedies=REMEDIES,
    )
