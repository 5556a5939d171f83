"""Output files in words: what is in them, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from reconciler.cli.terminal import safe
from reconciler.cli.words import counted
from reconciler.outputs.text import shown_path

if TYPE_CHECKING:
    from reconciler.store.outputs import OutputRecord


def output_words(output: OutputRecord) -> Text:
    """A file, what is in it, and what is wrong with it."""
    text = Text(f"{shown_path(output.path)}\n")
    if output.sound:
        text.append("sound", "green")
    else:
        defects = "; ".join(safe(d.get("detail", "")) for d in output.inspection["defects"])
        text.append(f"unsound: {defects}", "red")
        text.append("" if output.confirmed else " (to be confirmed by a second inspection)")
    facts = media_words(output.inspection)
    return text.append(f", {facts}" if facts else "")


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
