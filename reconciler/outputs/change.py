"""What a watch tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a file: created, moved, grown, closed. Only a hint."""

    path: Path
    #: Its writer closed it (CLOSE_WRITE). Never seen by polling.
    closed: bool
    #: It is no output but a manifest of the node pack: a prompt ended.
    manifest: bool = False
    #: It was renamed, or its folder is so new that it may have been closed before that was watched:
    #: no close may follow.
    close_missed: bool = False
