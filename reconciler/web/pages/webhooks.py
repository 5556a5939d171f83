"""Webhooks: who is told, and what became of each delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from reconciler.store import Store
from reconciler.store.deliveries import Delivery, DeliveryFilter, DeliveryStore
from reconciler.store.webhooks import EndpointRecord, WebhookStore
from reconciler.web.api.asking import Name
from reconciler.web.context import Context
from reconciler.web.pages.rendering import render, with_query
from reconciler.web.security.access import Reader, Role

router = APIRouter(include_in_schema=False)

#: Deliveries of one page.
PAGE = 50
#: The largest id that Postgres gives.
_MOST = 2**63 - 1
#: How a state looks: the badge of which status.
_LOOKS: Mapping[str, str] = {
    "waiting": "queued",
    "delivered": "completed",
    "failed": "failed",
    "enabled": "completed",
    "disabled": "failed",
    "removed": "cancelled",
}

Text = Annotated[Name, Query()]
State = Annotated[Literal["", "waiting", "delivered", "failed"], Query()]
Before = Annotated[int | None, Query(ge=1, le=_MOST)]


@dataclass(frozen=True, slots=True)
class EndpointCard:
    """One endpoint as the page shows it."""

    record: EndpointRecord
    look: str
    #: What it is told of, in words.
    wants: str
    #: Deliveries by state.
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery as the page shows it."""

    record: Delivery
    look: str
    #: How the last attempt ended, in words; empty before the first.
    last: str
    payload: str


@router.get("/webhooks")
def webhooks(
    *,
    request: Request,
    context: Context,
    caller: Reader,
    webhook: Text = "",
    state: State = "",
    job: Text = "",
    before: Before = None,
) -> HTMLResponse:
    """All endpoints, and the newest deliveries that are asked for."""
    which = DeliveryFilter(webhook or None, state or None, job or None)
    with context.stores.one() as store:
        shown = gather(store, which, before)
    asked = {"webhook": webhook, "state": state, "job": job}
    older = shown.pop("older")
    return render(
        request,
        "webhooks.html",
        **shown,
        asked=asked,
        is_filtered=any(asked.values()),
        is_first=before is None,
        newest=with_query("/webhooks", **asked),
        older=None if older is None else with_query("/webhooks", **asked, before=older),
        may_ask=caller.role is Role.OPERATOR,
        webhook_api=lambda name: f"/api/v1/webhooks/{quote(name, safe='')}",
    )


def gather(store: Store, which: DeliveryFilter, before: int | None) -> dict[str, Any]:
    """What the template shows. Raises DatabaseError."""
    deliveries = DeliveryStore(store.connection)
    counts = deliveries.counts()
    found = deliveries.page(PAGE + 1, before=before, which=which)
    return {
        "now": store.jobs.now(),
        "endpoints": [card(one, counts) for one in WebhookStore(store.connection).all()],
        "deliveries": [row(one) for one in found[:PAGE]],
        "older": found[PAGE - 1].id if len(found) > PAGE else None,
    }


def card(record: EndpointRecord, counts: Mapping[tuple[str, str], int]) -> EndpointCard:
    """One endpoint, with how much was sent there."""
    mine = {state: number for (name, state), number in counts.items() if name == record.name}
    return EndpointCard(record, _LOOKS.get(record.state, "queued"), wants(record), mine)


def wants(record: EndpointRecord) -> str:
    """What it is told of: "endings; failed; of type video"."""
    events = {"endings": "endings", "changes": "changes of status", "all": "every event"}
    parts = [
        events.get(record.events, record.events),
        f"only {', '.join(record.statuses)}" if record.statuses else "",
        f"of type {', '.join(record.job_types)}" if record.job_types else "",
    ]
    return ", ".join(part for part in parts if part)


def row(record: Delivery) -> DeliveryRow:
    """One delivery."""
    payload = json.dumps(record.payload, indent=2, ensure_ascii=False)
    return DeliveryRow(record, _LOOKS.get(record.state, "queued"), _last(record), payload)


def _last(record: Delivery) -> str:
    status = "" if record.last_status is None else str(record.last_status)
    parts = [
        f"HTTP {status}" if status and status not in (record.last_error or "") else "",
        record.last_error or "",
        f"answered: {record.last_answer}" if record.last_answer else "",
    ]
    return ", ".join(part for part in parts if part)
