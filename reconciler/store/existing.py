"""The database as those see it that only look: nothing is started, made or changed."""

from __future__ import annotations

from reconciler.errors import DatabaseError, SchemaMismatch
from reconciler.settings import Settings
from reconciler.store import Store, open_configured
from reconciler.store.embedded import url_if_running
from reconciler.store.revision import found_revision, known_revisions, newest_revision


def open_existing(settings: Settings) -> Store:
    """The store of these settings, the caller's to close.

    Raises DatabaseError where the embedded server does not run, or nobody has used the database.
    """
    store = open_configured(running_url(settings), settings, create=False)
    try:
        store.views.require_prepared()
        require_same_schema(store)
    except BaseException:
        store.close()
        raise
    return store


def running_url(settings: Settings) -> str:
    """Where Postgres is, password included. Raises DatabaseError where the embedded is not up."""
    url = settings.database.dsn or url_if_running(settings.data_dir)
    if url is None:
        raise DatabaseError(
            f"no embedded Postgres runs under {settings.data_dir}. Start the service (`reconciler"
            " run`) or only the database (`reconciler db url --start`); or name the database that"
            " is meant with --database, or another place with --data-dir"
        )
    return url


def require_same_schema(store: Store) -> None:
    """Raises SchemaMismatch where our own tables are of another version than this package."""
    found, ours = found_revision(store.connection), newest_revision()
    if found == ours:
        return
    newer = found not in known_revisions()
    raise SchemaMismatch(
        f"the database is at revision {found}, and this version of the reconciler knows {ours}."
        + (
            " What to do: upgrade the reconciler on this host"
            if newer
            else " What to do: restart the service (`reconciler run`) with this version, which"
            " brings the database there as soon as no agent of an older one runs"
        )
    )
