"""What an output file holds and what proves it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.words.text import safe
from reconciler.words.times import counted

if TYPE_CHECKING:
    from reconciler.store.outputs import OutputRecord


def proof(output: OutputRecord) -> str:
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
