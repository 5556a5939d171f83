"""`reconciler cancel`, `forget`, `recheck` and `accept`: what people ask of the service."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options

if TYPE_CHECKING:
    from reconciler.settings import Settings
    from reconciler.store import Store
    from reconciler.store.requests import Request

#: Between two looks whether the service has answered, in seconds.
POLL_S = 0.2
REFUSED, NO_SUCH_JOB = 1, 2

Jobs = Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of the jobs' rows.")]
Wait = Annotated[
    float,
    typer.Option("--wait", metavar="S", min=0, max=86_400, help="Wait so long for the answers."),
]


def cancel(
    jobs: Jobs,
    *,
    wait: Wait = 10.0,
    json_: options.Json = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Cancel jobs: delete their prompts from ComfyUI's queue, or interrupt them.

    What has ended before stays as it ended. A node that hangs gives way to a restart alone.
    """
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    _ask("cancel", jobs, settings, wait, as_json=json_)


def forget(
    jobs: Jobs,
    *,
    wait: Wait = 10.0,
    json_: options.Json = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Watch jobs no longer: their rows stay as they are, until somebody changes them.

    `reconciler recheck` watches them again.
    """
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    _ask("forget", jobs, settings, wait, as_json=json_)


def recheck(
    jobs: Jobs,
    *,
    wait: Wait = 10.0,
    json_: options.Json = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Look at jobs and their files anew, also at such as have long ended.

    Every file is decoded again. A failed job whose success is proven now is completed.
    """
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    _ask("recheck", jobs, settings, wait, as_json=json_)


def accept(
    jobs: Jobs,
    *,
    wait: Wait = 10.0,
    json_: options.Json = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Complete failed jobs with the files that they have, as they are.

    The row becomes completed, with a warning that says who accepted it and what is wrong.
    """
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    _ask("accept", jobs, settings, wait, as_json=json_)


def _ask(
    name: str, jobs: Sequence[str], settings: Settings, wait_s: float, *, as_json: bool
) -> None:
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.store.requests import Action, Outcome

    action = Action(name)
    with reading(settings) as store:
        known = store.views.known(jobs)
        for job in dict.fromkeys(jobs):
            if job not in known:
                terminal.warn("error: ", f"there is no job {job!r} in {store.table.shown}")
        wanted = [job for job in jobs if job in known]
        requests = _answered(store, store.requests.ask(action, wanted, _who()), wait_s)
    if as_json:
        terminal.raw(json.dumps([_as_json(request) for request in requests], indent=2))
    else:
        for request in requests:
            terminal.raw(_line(request))
    if len(known) < len(set(jobs)):
        raise typer.Exit(NO_SUCH_JOB)
    if any(request.outcome is not Outcome.DONE for request in requests):
        raise typer.Exit(REFUSED)


def _answered(store: Store, requests: list[Request], wait_s: float) -> list[Request]:
    """The requests as they are once all are answered, or the time is over."""
    deadline = time.monotonic() + wait_s
    while any(request.outcome is None for request in requests) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        requests = store.requests.some([request.id for request in requests])
    return requests


def _who() -> str:
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a user id without a name
        return "the command line"


def _line(request: Request) -> str:
    from reconciler.cli.terminal import safe

    if request.outcome is None:
        words = "asked; no answer yet: does `reconciler run` run for its server?"
    else:
        words = f"{request.outcome}: {safe(request.answer or '')}"
    return f"{safe(request.job_id)} {request.action}: {words}"


def _as_json(request: Request) -> dict[str, object]:
    from reconciler.words.times import iso

    return {
        "id": request.id,
        "job_id": request.job_id,
        "action": request.action,
        "asked_by": request.asked_by,
        "asked_at": iso(request.asked_at),
        "answered_at": iso(request.answered_at),
        "outcome": request.outcome,
        "answer": request.answer,
    }
