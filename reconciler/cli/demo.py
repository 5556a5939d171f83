"""`reconciler demo`: everything at once, to watch."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on running after the comparison, until Ctrl-C.")
    ] = False,
    log_level: options.Log = None,
) -> None:
    """Watch 17 jobs end in every way, on simulated GPUs and a real Postgres.

    At the end each row is compared with what really happened.
    """
    from reconciler.cli import logs
    from reconciler.cli.simulate import needs_simulator

    logs.set_up(log_level or "error", "console")
    with needs_simulator():
        from reconciler.demo.play import play
    if not play(keep=keep):
        raise typer.Exit(1)
