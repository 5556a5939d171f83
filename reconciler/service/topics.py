"""What the service is told by its threads: hints to look, merged in its inbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LookAt:
    """This server's queue has changed."""

    server: str


@dataclass(frozen=True, slots=True)
class FileChanged:
    """An event named this file below an output directory."""

    root: Path
    path: Path
    closed: bool
    close_missed: bool = False


@dataclass(frozen=True, slots=True)
class Inspected:
    """There is an answer about this file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Scanned:
    """A listing of this output directory is finished."""

    root: Path


@dataclass(frozen=True, slots=True)
class LeasesChanged:
    """Other servers are ours, or not any more."""
