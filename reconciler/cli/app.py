"""The root of the command line: its commands, its exit codes, and what is said of an error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from reconciler import __version__
from reconciler.cli import complaints, demo, options, run, simulate
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

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(command: Callable[..., None], exits: str, panel: str) -> None:
    app.command(epilog=f"Exit codes: {exits}.", rich_help_panel=panel)(command)


_WRONG = "3 database unreachable or settings wrong"
_add(run.run, f"0 stopped when told to, {_WRONG}", "Service")
_add(simulate.simulate, "0 stopped when told to, 3 the port is taken", "Trying it out")
_add(demo.demo, "0 every row tells the truth, 1 one does not", "Trying it out")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
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
    context.default_map = _for_every_command({k: v for k, v in given.items() if v is not None})


def _for_every_command(given: dict[str, Any]) -> dict[str, Any]:
    """What the root was given is the default of every command, also of those in groups."""
    names = [command.callback.__name__ for command in app.registered_commands if command.callback]
    return dict.fromkeys(names, given)


def main() -> NoReturn:
    """The console script."""
    sys.exit(_run())


def _run() -> int:
    """Runs the command; what it raises becomes a message on stderr and an exit code."""
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
