"""The web interface beside the passes: neither waits for the other, or ends with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from reconciler.previews.sampling import Sampling
from reconciler.settings import Settings
from reconciler.web.server import WebServer


class Pulse:
    """What the web interface hears of the passes. Thread-safe."""

    def __init__(self) -> None:
        self._beat_s = time.monotonic()
        #: Tells whether a verdict waits for an inspection, once there is a service to ask.
        self.asks_inspections: Callable[[], bool] = lambda: False

    def beat(self) -> None:
        """It lives."""
        self._beat_s = time.monotonic()

    def idle_s(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self._beat_s

    def verdict_waits(self) -> bool:
        """Whether a verdict waits for an inspection."""
        return self.asks_inspections()


@contextmanager
def web_server(settings: Settings, pulse: Pulse) -> Iterator[WebServer]:
    """The web interface, begun if the settings want it; ended with the service."""
    with closing(Sampling(settings)) as sampling:
        web = WebServer(
            settings,
            in_service=True,
            idle_s=pulse.idle_s,
            verdict_waits=pulse.verdict_waits,
            sampling=sampling,
        )
        if settings.web.enabled:
            web.start()
        try:
            yield web
        finally:
            web.close()
