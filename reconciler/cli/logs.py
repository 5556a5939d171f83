"""Logging: structlog's lines and those of other libraries, in one form, on stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog
from structlog.types import Processor

from reconciler.errors import ReconcilerError
from reconciler.outputs.text import printable

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["auto", "console", "json"]

#: Longest value in a line for people, in characters; JSON lines keep everything.
MAX_VALUE = 2000


def set_up(level: Level, form: Form = "auto") -> None:
    """Writes log lines on stderr from now on: for people, or with "json" for machines.

    "auto" means console on a terminal and JSON elsewhere.
    """
    is_terminal = sys.stderr.isatty()
    as_json = form == "json" or (form == "auto" and not is_terminal)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _stamper(as_json),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    ends = _json() if as_json else _console(is_terminal and not os.environ.get("NO_COLOR"))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ends],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
    # It tells each of its plugins and steps at level info.
    logging.getLogger("alembic").setLevel("DEBUG" if level == "debug" else "WARNING")


def is_json() -> bool:
    """True where log lines are for machines: then every line on stderr must be one."""
    formatters = (handler.formatter for handler in logging.getLogger().handlers)
    return any(
        isinstance(formatter, structlog.stdlib.ProcessorFormatter)
        and isinstance(formatter.processors[-1], structlog.processors.JSONRenderer)
        for formatter in formatters
    )


def is_debug() -> bool:
    """True where somebody asked for everything."""
    return logging.getLogger().isEnabledFor(logging.DEBUG)


def log_error(error: Exception) -> None:
    """The error that ends the process; with its traceback where it is a defect, or in debug."""
    wants_trace = is_debug() or not isinstance(error, ReconcilerError)
    structlog.get_logger(__name__).error(
        "ended by an error", error=str(error), exc_info=error if wants_trace else None
    )


def _stamper(as_json: bool) -> Processor:
    if as_json:
        return structlog.processors.TimeStamper(fmt="iso", utc=True)
    return structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _console(colors: bool) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=bool(colors),
        # Not rich's: it shows local variables, and passwords among them.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [_for_people, renderer]


def _for_people(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Values come from outside: nothing in them may reach the terminal as a command.

    Which module of ours speaks is no news for people; which library does, is.
    """
    if str(event.get("logger", "")).startswith("reconciler."):
        del event["logger"]
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, MAX_VALUE)
    return event
