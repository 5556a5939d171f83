"""What a check found: how bad it is, of what, in words, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    #: It works, with less or not for long.
    WARNING = "warning"
    #: It does not work, or could not be checked.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says."""

    level: Level
    #: What was looked at: "database", "gpu1, websocket".
    what: str
    detail: str
    #: What to do; empty only where all is well.
    advice: str = ""


def ok(what: str, detail: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, what, detail)


def warning(what: str, detail: str, advice: str) -> Finding:
    """It works, with less or not for long."""
    return Finding(Level.WARNING, what, detail, advice)


def failed(what: str, detail: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAILED, what, detail, advice)


def failed_by(what: str, error: Exception, advice: str) -> Finding:
    """It does not work, in the words of an error.

    Errors of this package that bring their own advice put it behind "What to do:".
    """
    detail, _, brought = str(error).partition("What to do:")
    detail = " ".join(detail.split()).rstrip(".")  # libpq breaks and indents its lines
    return failed(what, detail or type(error).__name__, brought.strip().rstrip(".") or advice)
