"""Output files in words: what is in them, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from reconciler.cli.terminal import safe
from reconciler.core.evidence import FileState
from reconciler.outputs.text import shown_path
from reconciler.words.times import counted

if TYPE_CHECKING:
    from reconciler.store.outputs import OutputRecord


def output_words(output: OutputRecord) -> Text:
    """A file, what is in it, and what is wrong with it."""
    text = Text(f"{shown_path(output.path)}\n")
    if output.verdict is FileState.SOUND:
        text.append(f"sound: {_proof(output)}", "green")
    elif output.verdict is FileState.UNJUDGED:
        why = safe(output.inspection.get("unjudged") or "no decoder")
        text.append(f"not judged: {why}", "yellow")
        text.append(f", {_proof(output)}" if output.identical_to else "")
    else:
        defects = "; ".join(safe(d.get("detail", "")) for d in output.inspection["defects"])
        text.append(f"unsound: {defects}", "red")
        text.append("" if output.confirmed else " (to be confirmed by a second inspection)")
    warnings = "; ".join(safe(w.get("detail", "")) for w in output.inspection.get("warnings", ()))
    text.append(f", warning: {warnings}" if warnings else "", "yellow")
    facts = media_words(output.inspection)
    return text.append(f", {facts}" if facts else "")


def _proof(output: OutputRecord) -> str:
    """What is known of a file that nothing speaks against."""
    if output.identical_to is None:
        return "decodes whole"
    algorithm = safe(output.identical_to.partition(":")[0], 40)
    return f"identical to what ComfyUI wrote ({algorithm})"


def media_words(known: Mapping[str, Any]) -> str:
    """What a file holds, in a few words."""
    frames = [counted(known["frames"], "frame")] if known.get("media") == "video" else []
    return ", ".join([*frames, *media_facts(known)])


def media_facts(known: Mapping[str, Any]) -> list[str]:
    """The same, without the frames and one by one, what matters most first."""
    codec, container = known.get("codec"), known.get("container")
    parts = [
        f"{known['fps']:g} fps" if known.get("fps") else "",
        f"{known['duration_s']:g} s" if known.get("duration_s") else "",
        f"{known['width']}x{known['height']}" if known.get("width") else "",
        safe(codec or ""),
        f"{'in ' if codec else ''}{safe(container)}" if container != codec else "",
    ]
    return [part for part in parts if part]
