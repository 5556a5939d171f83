"""`reconciler watch`: one job, live, until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from reconciler.cli import options
from reconciler.cli.jobs import Job
from reconciler.core.case import Stage
from reconciler.core.jobs import Status
from reconciler.errors import DatabaseError

if TYPE_CHECKING:
    from reconciler.store import Store
    from reconciler.store.views import JobView

#: How often the row is read where no NOTIFY is heard, and at most where many are, in seconds.
POLL_S = 1.0
LEAST_S = 0.1
#: A database that does not answer is waited for, but not for ever, in seconds.
PATIENCE_S = 60.0

ENDED_BADLY = 1


def watch(
    job: Job,
    *,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Follow one job until it ends, with a progress bar on a terminal.

    The last line, on stdout, says how it ended.
    """
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import find, reading
    from reconciler.store.listening import Listener

    with reading(settings) as store, Listener(store.connection) as listener:
        view = find(store, job)
        with _screen() as show:
            show(view)
            while view.is_open:
                if listener.wait(POLL_S):
                    time.sleep(LEAST_S)  # many jobs, many news: read once for all of them
                view = _read_again(store, view.id)
                show(view)
    terminal.raw(_last_line(view))
    if view.status != Status.COMPLETED.value:
        raise typer.Exit(ENDED_BADLY)


def _read_again(store: Store, job_id: str) -> JobView:
    """The row as it is now, once the database answers."""
    from reconciler.cli.reading import find

    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return find(store, job_id)
        except DatabaseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


@contextmanager
def _screen() -> Iterator[Callable[[JobView], None]]:
    """Shows the job on stderr: a bar on a terminal, else a line for each change."""
    from reconciler.cli.terminal import err, remark

    if err().is_terminal:
        with _bar() as show:
            yield show
        return
    said = ""

    def show_change(view: JobView) -> None:
        nonlocal said
        words = f"{_state(view)} {view.progress or 0}%" if view.is_open else ""
        if words and words != said:
            said = words
            remark(words)

    yield show_change


@contextmanager
def _bar() -> Iterator[Callable[[JobView], None]]:
    from rich.progress import BarColumn, Progress, TextColumn

    from reconciler.cli.terminal import err

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Progress(*columns, console=err(), transient=True) as progress:
        task = progress.add_task("", total=100, left="")

        def show(view: JobView) -> None:
            percent = view.progress or 0
            progress.update(task, description=_state(view), completed=percent, left=_left(view))

        yield show


def _state(view: JobView) -> str:
    from reconciler.cli.terminal import safe

    where = f" on {safe(view.server, 30)}" if view.server else ""
    if view.queue_position is not None:
        where = f", number {view.queue_position}{where}"
    stage = f" ({view.stage})" if view.stage == Stage.VALIDATING.value else ""
    return f"{safe(view.id, 40)} {safe(view.status, 40)}{where}{stage}{_checked(view)}"


def _checked(view: JobView) -> str:
    """How far the check of its files is, or what keeps it: the reason says that first."""
    from reconciler.cli.terminal import safe

    validating = view.stage == Stage.VALIDATING.value
    return f": {safe(view.reason, 100)}" if validating and view.reason else ""


def _left(view: JobView) -> str:
    from reconciler.core.words import time_left

    return "" if view.eta_s is None else time_left(view.eta_s, view.eta_high_s)


def _last_line(view: JobView) -> str:
    from reconciler.cli.terminal import safe
    from reconciler.words.jobs import verdict

    said = view.output_path if view.status == Status.COMPLETED.value else view.reason
    return f"{safe(view.id)} {verdict(view)}" + (f": {safe(said)}" if said else "")
