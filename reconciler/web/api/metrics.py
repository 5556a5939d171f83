"""Everything in numbers, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from fastapi import APIRouter
from prometheus_client import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.responses import Response

from reconciler.errors import DatabaseError
from reconciler.metrics import REGISTRY
from reconciler.web.context import Context, WebContext
from reconciler.web.measuring import of_database, of_process
from reconciler.web.security.access import Reader

router = APIRouter(tags=["metrics"], include_in_schema=False)


class _Families:
    """Metrics as the library wants to have them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._families


@router.get("/metrics")
def metrics(context: Context, caller: Reader) -> Response:
    """Also with the database away: what this process knows, and that it is away."""
    families = chain(REGISTRY.collect(), _measured(context))
    text = generate_latest(_Families(families))
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _measured(context: WebContext) -> list[Metric]:
    try:
        told = context.measured.get(lambda: _read(context))
    except DatabaseError:
        return list(of_process(context, database_up=False))
    return [*of_process(context, database_up=True), *told]


def _read(context: WebContext) -> list[Metric]:
    with context.stores.one() as store:
        return of_database(context, store)
