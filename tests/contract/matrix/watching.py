"""The reconciler that watches a stage: the service itself, in a thread or as a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from reconciler.service.service import Service
from reconciler.service.wiring import connect
from reconciler.settings import load
from tests.integration.running import running

STOP_S = 30.0


@contextmanager
def in_a_thread(config: Path) -> Iterator[None]:
    """The whole service, started and stopped within milliseconds. What it knows from an earlier
    one stands in the database alone, as with a process."""
    service = Service((settings := load(config=config, environ={})), connect(settings))
    thread = Thread(target=service.run, name="reconciler")
    thread.start()
    try:
        yield
    finally:
        service.stop()
        thread.join(STOP_S)
        assert not thread.is_alive(), "the service does not stop"


@contextmanager
def as_a_process(config: Path) -> Iterator[None]:
    """`reconciler run`."""
    with running(config):
        yield
