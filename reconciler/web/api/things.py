"""Files of all jobs and of none, servers, and agents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from reconciler.core.evidence import FileState
from reconciler.core.jobs import Status
from reconciler.store import Store
from reconciler.store.stats import OpenJobs
from reconciler.web.api.asking import Name, PageAsked
from reconciler.web.api.jobs import epoch, output_of
from reconciler.web.api.models.base import PageOf
from reconciler.web.api.models.files import Orphan, Output
from reconciler.web.api.models.servers import Agent, ServerNow
from reconciler.web.context import Context
from reconciler.web.security.access import Reader
from reconciler.words import as_json
from reconciler.words.agents import Agents, read
from reconciler.words.orphans import explained
from reconciler.words.told import servers_of

router = APIRouter(prefix="/api/v1")


class OutputsAsked(PageAsked):
    """Which files."""

    server: Name | None = None
    verdict: FileState | None = None


class OrphansAsked(PageAsked):
    """Which files that are nobody's."""

    server: Name | None = None
    since: datetime | None = Field(None, description="Only files that were changed then or later.")


@router.get("/outputs", summary="Output files, page by page", tags=["outputs"])
def outputs(
    context: Context, caller: Reader, asked: Annotated[OutputsAsked, Query()]
) -> PageOf[Output]:
    """Those that were inspected last come first."""
    with context.stores.one() as store:
        page = store.lists.outputs(
            asked.limit, asked.cursor, server=asked.server, verdict=asked.verdict
        )
    return PageOf(items=[output_of(one) for one in page.items], next=page.next)


@router.get("/orphans", summary="Files that are nobody's, page by page", tags=["outputs"])
def orphans(
    context: Context, caller: Reader, asked: Annotated[OrphansAsked, Query()]
) -> PageOf[Orphan]:
    """Each with why; those that were changed last come first. Nothing is guessed or deleted."""
    since = epoch(asked.since) or 0.0
    with context.stores.one() as store:
        page = store.lists.orphans(asked.limit, asked.cursor, server=asked.server, since=since)
        listed = explained(store, page.items)
    return PageOf(items=[Orphan.of(as_json.orphan(one)) for one in listed], next=page.next)


@router.get("/servers", summary="ComfyUI servers", tags=["servers"])
def servers(context: Context, caller: Reader) -> list[ServerNow]:
    """As they were seen last: those that the settings name; all, if they name none."""
    with context.stores.one() as store:
        known = _agents(store, context)
        jobs = store.stats.open()
        return [
            ServerNow.of(
                {
                    **as_json.server(record),
                    "agent": _holder(known, record.name),
                    "processing": _number(jobs, record.name, Status.PROCESSING),
                    "queued": _number(jobs, record.name, Status.QUEUED),
                }
            )
            for record in servers_of(store, context.settings)
        ]


@router.get("/agents", summary="Who reconciles which server", tags=["servers"])
def agents(context: Context, caller: Reader) -> list[Agent]:
    """Every agent that is known, alive or not."""
    with context.stores.one() as store:
        known = _agents(store, context)
    return [Agent.of(one) for one in as_json.agents(known)]


def _agents(store: Store, context: Context) -> Agents:
    return read(store.connection, store.jobs.now(), context.settings.agent.takeover_s)


def _holder(known: Agents, server: str) -> str | None:
    holder = known.holder(server)
    return None if holder is None else holder.name


def _number(jobs: list[OpenJobs], server: str, status: Status) -> int:
    return sum(one.number for one in jobs if one.server == server and one.status == status)
