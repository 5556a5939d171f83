"""What is going on: the page that stays open all day."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from reconciler.web.context import Context
from reconciler.web.pages.rendering import render
from reconciler.web.security.access import Reader

router = APIRouter(include_in_schema=False)


@router.get("/")
def overview(request: Request, context: Context, caller: Reader) -> HTMLResponse:
    """Counts, what runs, what waits, what is wrong."""
    with context.stores.one() as store:
        jobs = store.views.listing(limit=20)
        now = store.jobs.now()
    return render(request, "overview.html", now=now, jobs=jobs)
