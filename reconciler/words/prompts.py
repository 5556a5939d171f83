"""Prompts in words: where they are, and how they ended."""

from __future__ import annotations

from reconciler.core.evidence import Ending
from reconciler.store.records import PromptRecord
from reconciler.words.text import safe
from reconciler.words.times import local


def prompt_words(prompt: PromptRecord, attempt: int | None, now: float) -> str:
    """A prompt: where it is, what was heard of it, how it ended."""
    parts = [safe(prompt.prompt_id)]
    if prompt.attempt != attempt:
        parts.append(f"of attempt {prompt.attempt}")
    if prompt.server:
        parts.append(f"on {safe(prompt.server)}")
    if prompt.ending is not None:
        parts.append(ending_words(prompt.ending, now))
    elif prompt.missing_since is not None:
        parts.append(
            f"not found by {prompt.missing_looks} looks since {local(prompt.missing_since, now)}"
        )
    elif prompt.running_since is not None:
        parts.append(f"running since {local(prompt.running_since, now)}")
    elif not prompt.ever_seen:
        parts.append("never seen on a server")
    if prompt.last_sign_at is not None and prompt.ending is None:
        parts.append(f"last sign of life {local(prompt.last_sign_at, now)}")
    return ", ".join(parts)


def ending_words(ending: Ending, now: float) -> str:
    """How a prompt ended, and who told."""
    when = "" if ending.ended_at is None else f" at {local(ending.ended_at, now)}"
    node = ""
    if ending.node_id:
        kind = f" ({safe(ending.node_type)})" if ending.node_type else ""
        node = f" in node {safe(ending.node_id)}{kind}"
    what = ": ".join(safe(part) for part in (ending.exception_type, ending.message) if part)
    cached = ", all of it cached" if ending.cached else ""
    said = f": {what}" if what else ""
    return f"{ending.source.value} says {ending.kind.value}{when}{node}{said}{cached}"
