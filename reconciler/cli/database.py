"""`reconciler db`: the embedded Postgres, and where the database is."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options


def url(
    *,
    start: Annotated[
        bool, typer.Option("--start", help="Start the embedded Postgres if it does not run.")
    ] = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Print the database's URL, password included, for psql and for applications."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli.terminal import raw
    from reconciler.service.wiring import database_url
    from reconciler.store.existing import running_url

    raw(database_url(settings) if start else running_url(settings))


def stop(
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also while others are connected: they are cut off.")
    ] = False,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Stop the embedded Postgres. What was committed is safe."""
    settings = options.load_settings(config, log_level, data_dir=data_dir)
    from reconciler.cli.terminal import remark
    from reconciler.errors import DatabaseError
    from reconciler.store import embedded

    if embedded.url_if_running(settings.data_dir) is None:
        remark(f"No embedded Postgres runs under {settings.data_dir}.")
    elif force:
        embedded.stop(settings.data_dir)
    elif not embedded.stop_if_idle(settings.data_dir):
        raise DatabaseError(
            f"the embedded Postgres under {settings.data_dir} is in use: stop what is connected,"
            " or cut it off with --force"
        )
