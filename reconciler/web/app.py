"""The application: its parts, put together."""

from __future__ import annotations

from fastapi import FastAPI

from reconciler import __version__
from reconciler.web.api import (
    anime,
    cost,
    files,
    health,
    jobs,
    metrics,
    previews,
    requests,
    stats,
    stream,
    things,
    webhooks,
    ws,
)
from reconciler.web.context import WebContext
from reconciler.web.openapi import describe
from reconciler.web.pages.routes import include_pages
from reconciler.web.problems import handle_problems
from reconciler.web.security.setup import GuardedApp

#: Of the REST interface; what is added to it changes nothing for those who use the rest.
API = "/api/v1"


def create_app(context: WebContext) -> FastAPI:
    """The application for this context."""
    app = GuardedApp(
        context,
        title="reconciler",
        version=__version__,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    describe(app)
    handle_problems(app)
    app.include_router(health.router)
    app.include_router(requests.router)
    app.include_router(stream.router)
    app.include_router(ws.router)
    app.include_router(previews.router)
    app.include_router(files.router)
    # A path of a job takes what the others leave.
    for module in (metrics, things, webhooks, stats, cost, jobs, anime):
        app.include_router(module.router)
    include_pages(app)
    return app
