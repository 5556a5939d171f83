"""The root of the command line: its commands, its exit codes, and what is said of an error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from reconciler import __version__
from reconciler.cli import (
    adopt,
    ask,
    check,
    complaints,
    config,
    database,
    demo,
    doctor,
    install,
    install_node,
    jobs,
    live,
    once,
    options,
    orphans,
    run,
    simulate,
    terminal,
    token,
    web,
    webhooks,
)
from reconciler.errors import (
    DatabaseError,
    InspectionError,
    OutputError,
    ReconcilerError,
    ServerError,
    SettingsError,
)

#: What the exit codes mean, the same for every command.
FAILED, USAGE, UNREACHABLE, DEFECT, INTERRUPTED = 1, 2, 3, 70, 130

_CODES: dict[type[ReconcilerError], int] = {
    SettingsError: UNREACHABLE,
    DatabaseError: UNREACHABLE,
    ServerError: UNREACHABLE,
    OutputError: USAGE,
    InspectionError: USAGE,
}

#: Plain help: at 80 columns a table of options cuts their names.
_PLAIN: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(**_PLAIN)
config_commands = typer.Typer(**_PLAIN)
db_commands = typer.Typer(**_PLAIN)
token_commands = typer.Typer(**_PLAIN)
webhook_commands = typer.Typer(**_PLAIN)
GROUPS = {
    "config": config_commands,
    "db": db_commands,
    "token": token_commands,
    "webhooks": webhook_commands,
}
app.add_typer(config_commands, name="config", help="Show or check the settings.")
app.add_typer(db_commands, name="db", help="Where the database is; the embedded Postgres.")
app.add_typer(token_commands, name="token", help="Who may use the web interface from elsewhere.")
app.add_typer(webhook_commands, name="webhooks", help="Who is told how jobs end, and whether.")


def _add(group: typer.Typer, command: Callable[..., None], summary: str, exits: str) -> None:
    name = command.__name__.strip("_").replace("_", "-")
    group.command(name, short_help=summary, epilog=f"Exit codes: {exits}.")(command)


_LATER = "3 database unreachable or settings wrong"
_JOB = "2 no such job"

_add(app, run.run, "Run the service.", f"0 stopped when told to, {_LATER}")
_add(
    app,
    once.once,
    "Look once, set right what is wrong.",
    f"0 looked, 1 others reconcile all the servers, {_JOB}, {_LATER}",
)
_add(app, jobs.status, "Show the jobs, or one of them.", f"0 shown, {_JOB}, {_LATER}")
_add(app, jobs.explain, "Tell the story of a job.", f"0 told, {_JOB}, {_LATER}")
_add(
    app,
    live.watch,
    "Follow a job until it ends.",
    f"0 completed, 1 failed or cancelled, {_JOB}, {_LATER}",
)
_add(
    app,
    orphans.orphans,
    "List output files that are nobody's.",
    f"0 listed, also where there are none, 2 no such server, {_LATER}",
)
_ASKED = f"0 done, 1 refused, or not answered in time, {_JOB}, {_LATER}"
_add(app, ask.cancel, "Cancel jobs.", _ASKED)
_add(app, ask.forget, "Watch jobs no longer.", _ASKED)
_add(app, ask.recheck, "Look at jobs and their files anew.", _ASKED)
_add(app, ask.accept, "Complete failed jobs as they are.", _ASKED)
_add(
    app,
    check.check,
    "Inspect output files: are they whole?",
    "0 none unsound, 1 one is, 2 one cannot be read, or none is there, 3 settings wrong",
)
_add(
    app,
    web.web,
    "Serve the page and the REST interface.",
    "0 stopped when told to, 3 it cannot listen, or settings wrong",
)
_add(
    app,
    adopt.adopt,
    "Recognise a jobs table that is there.",
    f"0 written, shown, or nothing to do, 1 not written, 3 a problem, or no table, {_LATER[2:]}",
)
_add(config_commands, config.show, "Show every setting.", "0 shown, 3 settings wrong")
_add(config_commands, config.check, "Check the settings.", "0 right, 3 wrong")
_add(db_commands, database.url, "Print the database's URL.", f"0 printed, {_LATER}")
_add(db_commands, database.stop, "Stop the embedded Postgres.", f"0 it does not run, {_LATER}")
_add(
    token_commands,
    token.create,
    "Make a token, and print it once.",
    f"0 printed, 1 the name is in use, 2 no name, {_LATER}",
)
_add(token_commands, token.list_, "List the tokens.", f"0 listed, {_LATER}")
_add(token_commands, token.revoke, "Revoke a token.", f"0 revoked, 1 no such token, {_LATER}")
_HOOK = "2 no such endpoint"
_add(webhook_commands, webhooks.list_, "List the endpoints.", f"0 listed, {_LATER}")
_add(webhook_commands, webhooks.deliveries, "List deliveries.", f"0 listed, {_LATER}")
_add(
    webhook_commands,
    webhooks.test,
    "Send a test.",
    f"0 delivered, 1 not delivered, {_HOOK}, {_LATER}",
)
_add(
    webhook_commands,
    webhooks.replay,
    "Send deliveries again.",
    f"0 all of them, 1 not all, {_LATER}",
)
_add(webhook_commands, webhooks.enable, "Send again.", f"0 enabled, {_HOOK}, {_LATER}")
_add(webhook_commands, webhooks.disable, "Send nothing.", f"0 disabled, {_HOOK}, {_LATER}")
_add(
    app,
    doctor.doctor,
    "Check everything; say what to do.",
    "0 nothing failed, 1 something did, 3 settings wrong",
)
_add(
    app,
    install.install_service,
    "Write a unit of systemd.",
    "0 written, 1 not written or not started, 3 settings wrong",
)
_add(
    app,
    install_node.install_node,
    "Put the node pack into ComfyUI.",
    "0 there (--uninstall: gone), 1 not, or --check found something wrong, 2 no ComfyUI",
)
_add(
    app,
    simulate.simulate,
    "Play a ComfyUI server, to try things out.",
    "0 stopped when told to, 3 the port is taken",
)
_add(
    app,
    demo.demo,
    "Watch 17 jobs end in every way.",
    "0 every row tells the truth, 1 one does not",
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    config: options.Config = None,
    log_level: options.Log = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Makes the Postgres row of a ComfyUI job tell the truth about how the job ended."""
    if version:
        typer.echo(f"reconciler {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(USAGE)
    given = {"config": config, "log_level": log_level}
    context.default_map = _handed_down({k: v for k, v in given.items() if v is not None})


def _handed_down(given: dict[str, Any]) -> dict[str, Any]:
    """What the root was given is the default of every command, also of those in groups."""
    of_group = {name: dict.fromkeys(_names(group), given) for name, group in GROUPS.items()}
    return dict.fromkeys(_names(app), given) | of_group


def _names(group: typer.Typer) -> list[str]:
    return [command.name for command in group.registered_commands if command.name is not None]


def main() -> NoReturn:
    """The console script."""
    sys.exit(_run())


def _run() -> int:
    """Runs the command; what it raises becomes a message on stderr and an exit code."""
    terminal.tolerate_encodings()
    try:
        code = app(prog_name="reconciler", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except ReconcilerError as error:
        complaints.complain(error)
        return next((code for kind, code in _CODES.items() if isinstance(error, kind)), FAILED)
    except Exception as error:
        if complaints.is_usage_error(error):
            complaints.complain_of_usage(error)
            return USAGE
        complaints.complain_of_defect(error)
        return DEFECT
    return code if isinstance(code, int) else 0
