"""An output directory, asked whether it is the one that it was before anything is concluded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Directory:
    """A server's output directory as this agent sees it."""

    server: str
    root: Path
    #: False while its storage is away, hangs or is another one: everything looks gone then.
    is_there: Callable[[], bool]
