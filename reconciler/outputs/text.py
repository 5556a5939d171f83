"""Outside text made safe to show: file names, tags and the complaints of decoders."""

from __future__ import annotations

import os


def printable(text: str, limit: int = 200) -> str:
    """Return `text` on one line, without control characters, at most `limit` characters long.

    What cannot be printed is escaped (`\\n`, `\\udc80`), so that nothing in a file can move a
    terminal's cursor, break a log line or be refused by a database.
    """
    cut = text[:limit]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return shown if len(shown) <= limit and len(text) <= limit else shown[: limit - 1] + "…"


def shown_path(path: os.PathLike[str] | str) -> str:
    """Return a path as text for a message, whatever bytes its name is made of."""
    return printable(os.fspath(path), limit=500)
