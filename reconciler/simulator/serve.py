"""`reconciler simulate`: the simulator as a process of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from reconciler.simulator.simulator import Simulator

log = structlog.get_logger(__name__)


def serve(
    *,
    output_dir: Path,
    host: str,
    port: int,
    version: str,
    pack: bool,
    speed: float,
    metadata: bool = True,
) -> None:
    """Run a simulator until SIGTERM or SIGINT.

    To be called from the main thread. Raises `ServerError` if the port cannot be had, and
    `SettingsError` for an unknown `version`.
    """
    simulator = Simulator(
        output_dir,
        version=version,
        host=host,
        port=port,
        pack=pack,
        metadata=metadata,
        speed=speed,
    )
    with _until_told() as told, simulator:
        log.info("simulator_listening", url=simulator.url, output_dir=str(simulator.output_dir))
        told.wait()
    log.info("simulator_stopped", url=simulator.url)


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the handlers before are put back at the end."""
    told = threading.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(each, lambda *_: told.set()) for each in signals]
    try:
        yield told
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)
