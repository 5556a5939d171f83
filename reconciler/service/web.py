"""The web interface beside the passes: neither waits for the other, or ends with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.settings import Settings
from reconciler.web.server import WebServer


class Pulse:
    """When the loop of the passes last gave a sign of life. Thread-safe."""

    def __init__(self) -> None:
        self._beat_s = time.monotonic()

    def beat(self) -> None:
        """It lives."""
        self._beat_s = time.monotonic()

    def idle_s(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self._beat_s


@contextmanager
def web_server(settings: Settings, pulse: Pulse) -> Iterator[WebServer]:
    """The web interface, begun if the settings want it; ended with the service."""
    web = WebServer(settings, in_service=True, idle_s=pulse.idle_s)
    if settings.web.enabled:
        web.start()
    try:
        yield web
    finally:
        web.close()
