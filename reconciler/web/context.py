"""What all requests share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from reconciler.settings import Settings
from reconciler.web.database import Stores
from reconciler.web.live import Live
from reconciler.web.standing import Standing


@dataclass(frozen=True)
class WebContext:
    """Made once, when the server starts; hung on the application as `app.state.context`."""

    settings: Settings
    stores: Stores
    #: True within the service; False for `reconciler web`, which only reads and asks.
    in_service: bool = False
    #: For how long the passes of this process have given no sign of life; None where it has none.
    idle_s: Callable[[], float | None] = lambda: None
    #: How many rows have which status: `store.stats.by_status`, which reads the whole table.
    counted: Standing[Mapping[str, int]] = field(default_factory=Standing)

    @cached_property
    def live(self) -> Live:
        """Those who hear what happens."""
        return Live(self.stores, self.settings)


def context_of(connection: HTTPConnection) -> WebContext:
    """The context of the application that answers."""
    context: WebContext = connection.app.state.context
    return context


#: As the type of an endpoint's argument.
Context = Annotated[WebContext, Depends(context_of)]
