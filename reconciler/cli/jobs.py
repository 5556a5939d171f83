"""`reconciler status` and `reconciler explain`: what the rows say, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options

if TYPE_CHECKING:
    from reconciler.settings import Settings
    from reconciler.store import Store

#: Rows of a table that is looked at; `--all` shows the rest.
SHOWN_JOBS = 25

SomeJob = Annotated[str | None, typer.Argument(metavar="[JOB]", help="Id of the job's row.")]
Job = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job's row.")]


def status(
    job: SomeJob = None,
    *,
    json_: options.Json = False,
    agents: Annotated[
        bool, typer.Option("--agents", help="Show who reconciles which server.")
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help=f"All jobs, not only the first {SHOWN_JOBS}.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on showing them, live, until Ctrl-C."),
    ] = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Show the jobs, open ones first, then the newest; or all that is known of one; or who
    reconciles which server."""
    if watch and (agents or all_ or json_ or job is not None):
        raise typer.BadParameter(
            "--watch shows all jobs that fit: give it alone. For one job: reconciler watch JOB"
        )
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli.reading import reading

    with reading(settings) as store:
        if watch:
            from reconciler.cli import status_watch

            status_watch.watch(store, settings)
        elif agents:
            _agents(store, settings, as_json=json_)
        elif job is not None:
            _one(store, job, as_json=json_)
        elif json_:
            _all_as_json(store, settings, None if all_ else SHOWN_JOBS)
        else:
            _all(store, settings, None if all_ else SHOWN_JOBS)


def explain(
    job: Job,
    *,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Tell the story of a job: each change, its reason and its evidence, in time order."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import story, terminal
    from reconciler.cli.reading import find, reading
    from reconciler.words.told import tell

    with reading(settings) as store:
        view = find(store, job)
        told = tell(store, settings, view)
    terminal.say(story.story(told, settings))


def _agents(store: Store, settings: Settings, *, as_json: bool) -> None:
    from reconciler.cli import agents, terminal
    from reconciler.words import as_json as forms
    from reconciler.words.agents import read

    known = read(store.connection, store.jobs.now(), settings.agent.takeover_s)
    if as_json:
        terminal.raw(json.dumps(forms.agents(known), indent=2))
    elif known.agents:
        terminal.say(agents.table(known))
    else:
        terminal.remark("No agent is there: start one with `reconciler run`.")


def _all(store: Store, settings: Settings, limit: int | None) -> None:
    from rich.text import Text

    from reconciler.cli import terminal
    from reconciler.cli.overview import troubles
    from reconciler.cli.table import jobs_table

    now = store.jobs.now()
    wrong = troubles(store, settings, now)
    for trouble in wrong:
        terminal.say(Text(trouble, "yellow"))
    jobs = store.pages.listing(limit)
    if not jobs:
        terminal.remark(f"No jobs in {store.table.shown} yet: an application inserts them.")
        return
    if wrong:
        terminal.say("")
    terminal.say(jobs_table(jobs, now, terminal.out().width))
    if limit is not None and len(jobs) == limit and (more := store.views.count() - limit) > 0:
        terminal.remark(f"{more} more: reconciler status --all")


def _all_as_json(store: Store, settings: Settings, limit: int | None) -> None:
    from reconciler.cli import terminal
    from reconciler.words import as_json
    from reconciler.words.told import servers_of

    now = store.jobs.now()
    shown = {
        "servers": [as_json.server(server) for server in servers_of(store, settings)],
        "jobs": [as_json.job(view, now) for view in store.pages.listing(limit)],
    }
    terminal.raw(json.dumps(shown, indent=2))


def _one(store: Store, job_id: str, *, as_json: bool) -> None:
    from reconciler.cli import details, terminal
    from reconciler.cli.reading import find

    view = find(store, job_id)
    known = details.Known(
        view,
        store.views.prompts(view.id),
        store.outputs.of_job(view.id),
        next((s for s in store.servers.all() if s.name == view.server), None),
        store.jobs.now(),
    )
    if as_json:
        terminal.raw(json.dumps(details.as_json(known), indent=2))
    else:
        terminal.say(details.details(known))
