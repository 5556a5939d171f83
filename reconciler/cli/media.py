"""Output files in words: what is in them, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from reconciler.cli.terminal import safe
from reconciler.core.evidence import FileState
from reconciler.outputs.text import shown_path
from reconciler.words.media import media_words, proof

if TYPE_CHECKING:
    from reconciler.store.outputs import OutputRecord


def output_words(output: OutputRecord) -> Text:
    """A file, what is in it, and what is wrong with it."""
    text = Text(f"{shown_path(output.path)}\n")
    if output.verdict is FileState.SOUND:
        text.append(f"sound: {proof(output)}", "green")
    elif output.verdict is FileState.UNJUDGED:
        why = safe(output.inspection.get("unjudged") or "no decoder")
        text.append(f"not judged: {why}", "yellow")
        text.append(f", {proof(output)}" if output.identical_to else "")
    else:
        defects = "; ".join(safe(d.get("detail", "")) for d in output.inspection["defects"])
        text.append(f"unsound: {defects}", "red")
        text.append("" if output.confirmed else " (to be confirmed by a second inspection)")
    warnings = "; ".join(safe(w.get("detail", "")) for w in output.inspection.get("warnings", ()))
    text.append(f", warning: {warnings}" if warnings else "", "yellow")
    facts = media_words(output.inspection)
    return text.append(f", {facts}" if facts else "")
