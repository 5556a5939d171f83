"""The embedded Postgres as commands leave it behind."""

from __future__ import annotations

from pathlib import Path

from reconciler.errors import DatabaseError


def let_go(data_dir: Path) -> None:
    """Stops the embedded Postgres, unless an application goes on inserting jobs."""
    import structlog

    from reconciler.store.embedded import stop_if_idle

    log = structlog.get_logger(__name__)
    try:
        stopped = stop_if_idle(data_dir)
    except DatabaseError as error:
        log.warning("embedded Postgres not stopped", reason=str(error))
        return
    log.info("embedded Postgres stopped" if stopped else "embedded Postgres still in use: left on")
