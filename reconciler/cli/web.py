"""`reconciler web`: the web interface alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options

if TYPE_CHECKING:
    from reconciler.cli.stopping import StopSignals
    from reconciler.settings import Settings

#: How often is looked whether it serves yet, in seconds.
PAUSE_S = 0.2


def web(
    *,
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="The address to listen on.", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="The port; 0 = any free one.", show_default=False),
    ] = None,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Serve the page and the REST interface, without the service.

    On this host or another one, on the same database; its role may be one that only reads.
    """
    from reconciler.cli.stopping import StopSignals

    settings = options.load_settings(
        config, log_level, database=database, data_dir=data_dir, host=host, port=port
    )
    options.log_as_service(settings)
    with StopSignals() as signals:
        _serve(settings, signals)


def _serve(settings: Settings, signals: StopSignals) -> None:
    import threading
    from contextlib import closing

    from reconciler.errors import DatabaseError
    from reconciler.web.server import WebServer

    stopped = threading.Event()
    with closing(WebServer(settings)) as server:
        signals.then(stopped.set, server.stop)
        server.start()
        while not server.wait(PAUSE_S) and not stopped.is_set():
            if server.failure is not None and not isinstance(server.failure, DatabaseError):
                raise server.failure
            stopped.wait(PAUSE_S)
        stopped.wait()
