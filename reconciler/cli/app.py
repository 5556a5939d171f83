"""The root of the command line."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def run(config: Annotated[Optional[Path], typer.Option()] = None) -> None:  # noqa: UP045
    """Run the service."""
    from reconciler.service.service import Service
    from reconciler.service.wiring import connect
    from reconciler.settings import load

    logging.basicConfig(level=logging.INFO)
    settings = load(config=config)
    service = Service(settings, connect(settings))
    signal.signal(signal.SIGTERM, lambda *_: service.stop())
    service.run()


@app.command()
def demo(keep: bool = False) -> None:
    """Watch a dozen jobs end in every way."""
    from reconciler.demo.play import play

    raise typer.Exit(0 if play(keep=keep) else 1)


def main() -> None:
    """The console script."""
    app()
