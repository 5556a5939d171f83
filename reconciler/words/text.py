"""Outside text within a sentence."""

from __future__ import annotations

from reconciler.outputs.text import printable

#: Longest text from outside that is shown, in characters.
MAX_SHOWN = 4000


def safe(text: object, limit: int = MAX_SHOWN) -> str:
    """Outside text on one line: no markup to interpret, no control characters left."""
    return printable(str(text), limit)
