"""`reconciler once`: one look at everything, and what it found and did."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from reconciler.reconcile.passes import PassReport
    from reconciler.service.tenure import Tenure
    from reconciler.service.wiring import Parts
    from reconciler.settings import Settings

#: A row that somebody else keeps changing is not run after for ever.
MOST_PASSES = 20
#: How long to wait for news of an inspection before looking at the books again, in seconds.
NEWS_S = 0.5
#: Exit code where others reconcile all the servers: nothing was looked at.
NOT_OURS = 1


@dataclass(slots=True)
class Found:
    """What was found of one row, and what was done to it."""

    before: str
    after: str
    failure: str | None
    reason: str
    is_final: bool


@dataclass
class Findings:
    """What all passes of one command found, by job."""

    rows: dict[str, Found] = field(default_factory=dict)

    def add(self, report: PassReport) -> None:
        """A later pass has the last word; what the row said before the first one stays."""
        changed = {change.job_id: change.before for change in report.changes}
        for job_id, decision in report.decisions.items():
            after = decision.status.value
            known = self.rows.get(job_id)
            before = known.before if known else changed.get(job_id, after)
            failure = decision.failure.value if decision.failure else None
            reason = known.reason if known and known.is_final else decision.reason
            self.rows[job_id] = Found(before, after, failure, reason, decision.status.is_final)

    def worth_telling(self) -> dict[str, Found]:
        """Open rows and changed ones; a verdict that merely stands is none."""
        return {
            job_id: found
            for job_id, found in self.rows.items()
            if not found.is_final or found.before != found.after
        }


def once(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Judge this job only.")] = None,
    *,
    server: options.Server = None,
    output_dir: options.OutputDir = None,
    stored_path: options.StoredPath = None,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Look once, set right what is wrong, and say what was found and done.

    It waits for the inspection of files, but not for time to pass: what only time can show is
    for the next look, or for the service. Servers that a running service reconciles are left to it.
    """
    settings = options.load_settings(
        config,
        log_level,
        server=server,
        output_dir=output_dir,
        stored_path=stored_path,
        database=database,
        data_dir=data_dir,
        usual_level="error",
    )
    with ExitStack() as stack:
        answered = Event()
        parts, tenure = _build(settings, stack, answered)
        _take_leases(parts, tenure)
        _look_once(parts, answered, job)


def _build(settings: Settings, stack: ExitStack, answered: Event) -> tuple[Parts, Tenure]:
    from reconciler.cli.embedded import let_go
    from reconciler.service.schema_wait import require_same_schema
    from reconciler.service.wiring import build, connect, require_servers, tenure_of
    from reconciler.store.embedded import url_if_running

    require_servers(settings)
    if settings.database.dsn is None and url_if_running(settings.data_dir) is None:
        stack.callback(let_go, settings.data_dir)
    require_same_schema(settings)
    store = connect(settings)
    stack.callback(store.close)
    tenure = tenure_of(settings, store)
    parts = build(settings, store, tenure, lambda path: answered.set())
    tenure.start()
    stack.callback(tenure.stop)  # after the parts are closed: what is stored, is under lease
    stack.callback(parts.close)
    return parts, tenure


def _take_leases(parts: Parts, tenure: Tenure) -> None:
    """Takes the servers that nobody reconciles, and says who reconciles the others. Ends the
    command where none is left."""
    from reconciler.cli import terminal
    from reconciler.cli.agents import who_reconciles
    from reconciler.core.lease import UNKNOWN
    from reconciler.store.leases import all_leases

    held = tenure.held()
    ours = {lease.server for lease in held}
    others = [server.name for server in parts.settings.servers if server.name not in ours]
    for words in who_reconciles(parts.store.connection, others):
        terminal.remark(words)
    if not ours - {UNKNOWN}:
        terminal.remark("Nothing was looked at, and nothing written.")
        raise typer.Exit(NOT_OURS)
    for lease in sorted(held, key=str):
        if lease.server != UNKNOWN:
            parts.attended.begin(lease)
    remit = parts.reconciler.gatherer.remit
    remit.take(
        all_leases(parts.store.connection), ours, unknown=UNKNOWN in ours, now=parts.clock.now()
    )
    parts.turns.alone = not remit.others
    parts.store.connection.guard = tenure.guard(held)


def _look_once(parts: Parts, answered: Event, job: str | None) -> None:
    from reconciler.cli import terminal
    from reconciler.cli.reading import find
    from reconciler.words.jobs import verdict
    from reconciler.words.servers import server_trouble
    from reconciler.words.times import counted

    only = None if job is None else find(parts.store, job)
    findings = look(parts, answered, None if only is None else only.id)
    now = parts.clock.now()
    for server in parts.servers.values():
        if silent := server_trouble(server.record, now):
            terminal.remark(silent)
    told = findings.worth_telling()
    if told:
        terminal.say(_table(told))
    elif only is not None:
        terminal.say(f"{terminal.safe(only.id)} {verdict(only)}: nothing to do")
    set_rows = sum(found.before != found.after for found in told.values())
    looked, written = counted(len(told), "job"), counted(set_rows, "row")
    terminal.remark(f"{looked} looked at, {written} set.")


def look(parts: Parts, answered: Event, only: str | None) -> Findings:
    """Passes until one changes nothing and no inspection is waited for."""
    findings = Findings()
    for _ in range(MOST_PASSES):
        report = parts.reconciler.run_pass(search_history=True, only=only)
        findings.add(report)
        waited = _await_inspections(parts, answered)
        if not (waited or report.changes or report.conflicts):
            break
    return findings


def _await_inspections(parts: Parts, answered: Event) -> bool:
    """Waits until no file is being inspected. False where none was."""
    from reconciler.cli.terminal import err

    def waiting() -> bool:
        return any(server.book.waiting() for server in parts.servers.values())

    if not waiting() and not answered.is_set():
        return False
    shows = err().is_terminal
    with err().status("Inspecting files") if shows else nullcontext():
        while waiting():
            answered.wait(NEWS_S)
            answered.clear()
    answered.clear()
    return True


def _table(found: dict[str, Found]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from reconciler.cli.table import STYLES
    from reconciler.cli.terminal import safe

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("job", justify="right", no_wrap=True)
    table.add_column("row", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for job_id, row in found.items():
        after = Text(safe(row.after), STYLES.get(row.after, ""))
        moved = row.before != row.after
        said = Text.assemble(safe(row.before), " → ", after) if moved else after
        failure = f"{row.failure}: " if row.failure else ""
        table.add_row(safe(job_id), said, f"{failure}{safe(row.reason)}")
    return table
