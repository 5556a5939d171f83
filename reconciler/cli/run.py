"""`reconciler run`: the service in the foreground."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from reconciler import __version__
from reconciler.cli import options
from reconciler.cli.embedded import let_go

if TYPE_CHECKING:
    from reconciler.cli.stopping import StopSignals
    from reconciler.settings import Settings


def run(
    *,
    server: options.Server = None,
    output_dir: options.OutputDir = None,
    stored_path: options.StoredPath = None,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Run the service: watch every job until it ends, and set its row right.

    One server needs no settings file: --server URL --output-dir DIR.
    """
    from reconciler.cli.stopping import StopSignals

    settings = options.load_settings(
        config,
        log_level,
        server=server,
        output_dir=output_dir,
        stored_path=stored_path,
        database=database,
        data_dir=data_dir,
    )
    options.log_as_service(settings)
    with StopSignals() as signals:
        _serve(settings, signals)


def _serve(settings: Settings, signals: StopSignals) -> None:
    import gc
    import threading

    import structlog

    from reconciler.service.schema_wait import wait_for_schema
    from reconciler.service.service import Service
    from reconciler.service.web import Pulse, web_server
    from reconciler.service.wiring import connect, require_servers
    from reconciler.settings.postgres import masked_dsn

    log = structlog.get_logger(__name__)
    # A pass over ten thousand jobs makes a million objects that end with it, and no cycles: to look
    # for some among them, every 700 objects, took a fifth of its time.
    gc.set_threshold(50_000, 20, 20)
    require_servers(settings)
    embedded = settings.database.dsn is None
    log.info("starting", settings=str(settings.source), version=__version__)
    with ExitStack() as stack:
        if embedded:
            stack.callback(let_go, settings.data_dir)
        pulse, stopping = Pulse(), threading.Event()
        web = stack.enter_context(web_server(settings, pulse))
        signals.then(stopping.set, web.stop)
        if not wait_for_schema(settings, stopping):
            return
        store = connect(settings)
        stack.callback(store.close)
        log.info("database", url=masked_dsn(store.connection.url), embedded=embedded)
        service = Service(settings, store, pulse)
        signals.then(service.stop, web.stop)
        service.run()
