"""All pages, put into the application."""

from __future__ import annotations

from fastapi import FastAPI

from reconciler.web.pages import (
    failures,
    jobs,
    login,
    orphans,
    overview,
    servers,
    statics,
    webhooks,
)
from reconciler.web.pages.job import page as job
from reconciler.web.pages.problems import problem_page


def include_pages(app: FastAPI) -> None:
    """The dashboard, and what it loads."""
    app.state.problem_page = problem_page
    for page in (statics, login, overview, jobs, failures, job, orphans, servers, webhooks):
        app.include_router(page.router)
