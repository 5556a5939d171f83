"""What is said on stderr where a command cannot do what it was asked for."""

from __future__ import annotations

import traceback

from reconciler.errors import ReconcilerError


def complain(error: ReconcilerError) -> None:
    """One clear message, and the traceback only for who asked for everything.

    Where log lines are JSON the message is one of them: what reads the log can read it too.
    """
    from reconciler.cli import logs, terminal

    if logs.is_json():
        logs.log_error(error)
        return
    if logs.is_debug():
        _show_traceback(error)
    terminal.warn("error: ", error)


def is_usage_error(error: Exception) -> bool:
    """True for what typer says of a wrong option or argument.

    Known by what it offers: its class is in `click` or in typer itself, by typer's version.
    """
    return hasattr(error, "format_message")


def complain_of_usage(error: Exception) -> None:
    """What is wrong with the command as it was typed, and where to read how it is right."""
    from reconciler.cli import terminal

    terminal.warn("error: ", error.format_message())  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    command = "reconciler" if context is None else context.command_path
    terminal.remark(f"Try '{command} --help'.")


def complain_of_defect(error: Exception) -> None:
    """An error that nobody foresaw: ours, and its traceback says where."""
    from reconciler.cli import logs, terminal

    if logs.is_json():
        logs.log_error(error)
        return
    _show_traceback(error)
    terminal.warn("defect of the reconciler: ", f"{type(error).__name__}: {error}")


def _show_traceback(error: Exception) -> None:
    from reconciler.cli import terminal

    for line in "".join(traceback.format_exception(error)).splitlines():
        terminal.err().print(terminal.safe(line), soft_wrap=True)
