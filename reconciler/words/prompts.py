"""Prompts in words: where they are, and how they ended."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.evidence import Ending
from reconciler.store.records import PromptRecord
from reconciler.words.text import safe
from reconciler.words.times import counted


def prompt_words(prompt: PromptRecord, attempt: int | None, at: Callable[[float], str]) -> str:
    """A prompt: where it is, what was heard of it, how it ended. `at` says an instant."""
    parts = [safe(prompt.prompt_id)]
    if prompt.attempt != attempt:
        parts.append(f"of attempt {prompt.attempt}")
    if prompt.server:
        parts.append(f"on {safe(prompt.server)}")
    if prompt.ending is not None:
        parts.append(ending_words(prompt.ending, at))
    elif prompt.missing_since is not None:
        looks = counted(prompt.missing_looks, "look")
        parts.append(f"not found by {looks} since {at(prompt.missing_since)}")
    elif prompt.running_since is not None:
        parts.append(f"running since {at(prompt.running_since)}")
    elif not prompt.ever_seen:
        parts.append("never seen on a server")
    if prompt.last_sign_at is not None and prompt.ending is None:
        parts.append(f"last sign of life {at(prompt.last_sign_at)}")
    return ", ".join(parts)


def ending_words(ending: Ending, at: Callable[[float], str]) -> str:
    """How a prompt ended, and who told. `at` says an instant in the reader's time."""
    when = "" if ending.ended_at is None else f" at {at(ending.ended_at)}"
    node = ""
    if ending.node_id:
        kind = f" ({safe(ending.node_type)})" if ending.node_type else ""
        node = f" in node {safe(ending.node_id)}{kind}"
    what = ": ".join(safe(part) for part in (ending.exception_type, ending.message) if part)
    cached = ", all of it cached" if ending.cached else ""
    said = f": {what}" if what else ""
    return f"{ending.source.value} says {ending.kind.value}{when}{node}{said}{cached}"
