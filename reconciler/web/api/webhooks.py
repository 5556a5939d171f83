"""Webhooks: who is told, what became of each delivery, and sending it again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel

from reconciler.store.cursors import BadCursor, Place, decode, encode
from reconciler.store.deliveries import Delivery, DeliveryFilter, DeliveryStore
from reconciler.store.webhooks import EndpointRecord, WebhookStore
from reconciler.web.api.asking import Name, PageAsked
from reconciler.web.api.models.base import PageOf
from reconciler.web.api.models.webhooks import DeliveryTold, EndpointTold
from reconciler.web.context import Context
from reconciler.web.problems import BadParameter
from reconciler.web.security.access import Operator, Reader
from reconciler.words.times import iso

router = APIRouter(prefix="/api/v1", tags=["webhooks"])

#: The largest id that Postgres gives.
_MOST = 2**63 - 1
#: What a cursor of this list is of.
_ORDER = "deliveries"

EndpointName = Annotated[Name, Path(description="As the settings call it.")]
DeliveryId = Annotated[int, Path(ge=1, le=_MOST)]


class DeliveriesAsked(PageAsked):
    """Which deliveries."""

    webhook: Name | None = None
    state: Literal["waiting", "delivered", "failed"] | None = None
    job: Name | None = None


class Replayed(BaseModel):
    """The deliveries that are sent again."""

    ids: list[int]


@router.get("/webhooks", summary="Who is told")
def endpoints(context: Context, caller: Reader) -> list[EndpointTold]:
    """Every endpoint that settings name, or named; no secrets."""
    with context.stores.one() as store:
        return [_endpoint(one) for one in WebhookStore(store.connection).all()]


@router.post("/webhooks/{name:path}/enable", summary="Send to an endpoint again")
def enable(context: Context, caller: Operator, name: EndpointName) -> EndpointTold:
    """One that was disabled, since it answered 410 or by hand. What waits is sent at
    once."""
    with context.stores.one() as store:
        webhooks = WebhookStore(store.connection)
        if not webhooks.enable(name):
            raise HTTPException(404, f"There is no endpoint {name!r}.")
        return next(_endpoint(one) for one in webhooks.all() if one.name == name)


@router.post("/webhooks/{name:path}/disable", summary="Send nothing to an endpoint")
def disable(context: Context, caller: Operator, name: EndpointName) -> EndpointTold:
    """What waits stays; what happens meanwhile is not kept for it."""
    with context.stores.one() as store:
        webhooks = WebhookStore(store.connection)
        if not webhooks.disable(name, f"{caller.name} disabled it"):
            raise HTTPException(404, f"There is no endpoint {name!r}.")
        return next(_endpoint(one) for one in webhooks.all() if one.name == name)


@router.post("/webhooks/{name:path}/test", status_code=202, summary="Send a test")
def test(context: Context, caller: Operator, name: EndpointName) -> Replayed:
    """A message that tells of nothing, of the type `reconciler.test`; also where the endpoint is
    disabled."""
    with context.stores.one() as store:
        put_in = DeliveryStore(store.connection).test(name)
    if put_in is None:
        raise HTTPException(404, f"There is no endpoint {name!r}.")
    return Replayed(ids=[put_in])


@router.post(
    "/webhooks/{name:path}/replay", status_code=202, summary="Send again what was given up"
)
def replay_failed(context: Context, caller: Operator, name: EndpointName) -> Replayed:
    """All of an endpoint. Each keeps the id of its message."""
    with context.stores.one() as store:
        return Replayed(ids=DeliveryStore(store.connection).replay_failed(name))


@router.get("/deliveries", summary="Deliveries, page by page")
def deliveries(
    context: Context, caller: Reader, asked: Annotated[DeliveriesAsked, Query()]
) -> PageOf[DeliveryTold]:
    """The newest first."""
    which = DeliveryFilter(asked.webhook, asked.state, asked.job)
    before = None if asked.cursor is None else _before(asked.cursor)
    with context.stores.one() as store:
        found = DeliveryStore(store.connection).page(asked.limit + 1, before=before, which=which)
    shown = found[: asked.limit]
    last = Place(0, None, str(shown[-1].id)) if len(found) > asked.limit else None
    return PageOf(
        items=[_delivery(one) for one in shown],
        next=None if last is None else encode(_ORDER, last),
    )


@router.post("/deliveries/{delivery_id}/replay", status_code=202, summary="Send one again")
def replay(context: Context, caller: Operator, delivery_id: DeliveryId) -> Replayed:
    """One that was delivered, or given up. It keeps the id of its message."""
    with context.stores.one() as store:
        kept = DeliveryStore(store.connection)
        sent = kept.replay([delivery_id])
        if not sent and kept.one(delivery_id) is None:
            raise HTTPException(404, f"There is no delivery {delivery_id}.")
    if not sent:
        raise HTTPException(409, "It waits for its next attempt already.")
    return Replayed(ids=sent)


def _before(cursor: str) -> int:
    try:
        key = decode(_ORDER, cursor).key
    except BadCursor as error:
        raise BadParameter("cursor", str(error)) from error
    if not (key.isascii() and key.isdigit() and len(key) < 19):
        raise BadParameter("cursor", str(BadCursor()))
    return int(key)


def _endpoint(record: EndpointRecord) -> EndpointTold:
    return EndpointTold.of(_told(asdict(record)) | {"state": record.state})


def _delivery(record: Delivery) -> DeliveryTold:
    return DeliveryTold.of(_told(asdict(record)))


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Instants as programs read them."""
    return {name: iso(v) if name.endswith("_at") else v for name, v in values.items()}
