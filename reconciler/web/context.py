"""What all requests share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from fastapi import Depends
from prometheus_client import Metric
from starlette.requests import HTTPConnection

from reconciler.previews.pictures import Pictures
from reconciler.previews.sampling import Sampling
from reconciler.settings import Settings
from reconciler.web.database import Stores
from reconciler.web.file_answer import FileRoom
from reconciler.web.live import Live
from reconciler.web.standing import Standing

#: What metrics tell of the database stands for so long, in seconds.
MEASURED_S = 5.0


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
    #: What `web.measuring` read from the database: however many ask for metrics, it is asked once.
    measured: Standing[list[Metric]] = field(default_factory=lambda: Standing(MEASURED_S))

    #: Whether a verdict waits for an inspection of this process: no preview is made before it.
    verdict_waits: Callable[[], bool] = lambda: False
    #: What samplers show while jobs run; None where this process watches no server.
    sampling: Sampling | None = None

    @cached_property
    def pictures(self) -> Pictures:
        """Those of output files, made when they are asked for."""
        return Pictures(self.settings, stands_back=self.verdict_waits)

    @cached_property
    def file_room(self) -> FileRoom:
        """How many files are sent at once."""
        return FileRoom()

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
