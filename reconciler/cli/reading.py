"""The database as the commands see it that only look: nothing is started, made or changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import typer

from reconciler.cli.terminal import warn
from reconciler.settings import Settings
from reconciler.store import Store
from reconciler.store.existing import open_existing
from reconciler.store.views import JobView

NO_SUCH_JOB = 2


@contextmanager
def reading(settings: Settings) -> Iterator[Store]:
    """The store of these settings, closed at the end.

    Raises DatabaseError where the embedded server does not run, or nobody has used the database.
    """
    with closing(open_existing(settings)) as store:
        yield store


def find(store: Store, job_id: str) -> JobView:
    """The job, or the end of the command."""
    job = store.views.one(job_id)
    if job is None:
        warn("error: ", f"there is no job {job_id!r} in {store.table.shown}")
        raise typer.Exit(NO_SUCH_JOB)
    return job
