"""The evidence of an event in lines that a person can read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.core.evidence import SHARED
from reconciler.words.text import safe
from reconciler.words.times import counted, duration

#: Longest line made of a key that nobody foresaw, in characters.
MAX_LINE = 300
#: Said by the event itself already.
_REDUNDANT = {"status", "failure"}


def evidence_lines(evidence: Mapping[str, Any], at: Callable[[float], str]) -> list[str]:
    """What a decision was drawn from. `at` says an instant in the reader's time."""
    left = {k: v for k, v in evidence.items() if v is not None and k not in _REDUNDANT}
    lines = [line for line in _told(left, at) if line]
    return lines + [f"{safe(key)}: {_plain(value)}" for key, value in left.items()]


def _told(left: dict[str, Any], at: Callable[[float], str]) -> Iterator[str]:
    """The lines for the keys that are known, which are taken out."""
    yield _prompt(left)
    yield _since(left, "opened_at", "opened", at)
    yield _since(left, "running_since", "running since", at)
    yield _since(left, "last_sign_at", "last sign of life", at)
    yield _last_seen(left)
    yield _limit(left, "no_progress", "silence allowed")
    yield _limit(left, "budget", "runtime budget")
    if isinstance(left.get("unwatched_s"), int | float):
        yield f"not counted: {duration(left.pop('unwatched_s'))} in which nobody watched it"
    if isinstance(left.get("position"), int):
        yield f"number {left.pop('position')} in the queue"
    looks = left.pop("missing_looks", None)
    missing = _since(left, "missing_since", "since", at)
    if looks or missing:
        number = counted(looks, "clean look") if isinstance(looks, int) else _plain(looks)
        yield f"missed by {number} {missing}".rstrip()
    yield _since(left, "boot_changed_since", "ComfyUI has another boot id since", at)
    yield _noted(left, at)
    if left.get("worker_dead") is True:
        del left["worker_dead"]
        yield "the node pack says that ComfyUI's worker thread is dead"
    yield _silence(left, at)
    if left.get("storage_healthy") is False:
        del left["storage_healthy"]
        yield "the output directory is not readable, or not the one it was"
    yield _ending(left, at)
    if isinstance(left.get("longest_nodes"), str):
        yield f"longest nodes: {safe(left.pop('longest_nodes'))}"
    yield from _files(left, "outputs", "")
    yield from _files(left, "partial_files", "left behind: ")


def _last_seen(left: dict[str, Any]) -> str:
    if "doing" not in left:
        return ""
    stage = left.pop("run_stage", None)
    return f"last seen at {safe(left.pop('doing'))}" + (f" ({safe(stage)})" if stage else "")


def _limit(left: dict[str, Any], name: str, words: str) -> str:
    """A threshold of the stall rule, and the rule that set it where it is not the common one."""
    if not isinstance(left.get(f"{name}_s"), int | float):
        return ""
    by = left.pop(f"{name}_by", "stall")
    set_by = "" if by == "stall" else f", by {safe(by)}"
    return f"{words} {duration(left.pop(f'{name}_s'))}{set_by}"


def _prompt(left: dict[str, Any]) -> str:
    """Which prompt, and where it was; that no look was needed once it had ended is no news."""
    place, server = left.pop("place", None), left.pop("server", None)
    parts = [f"prompt {safe(left.pop('prompt_id'))}"] if "prompt_id" in left else []
    if place is not None and not (place == "unknown" and "ending" in left):
        words = {"absent": "not found", "unknown": "place unknown"}
        where = f" on {safe(server)}" if server is not None else ""
        parts.append(words.get(str(place), safe(place)) + where)
    elif server is not None:
        parts.append(f"on {safe(server)}")
    return ", ".join(parts)


def _silence(left: dict[str, Any], at: Callable[[float], str]) -> str:
    """Since when, and how, the server gives no evidence."""
    shared = left.get("how") == SHARED
    words = (
        "several servers answer in turn, last at" if shared else "the server has not answered since"
    )
    silent = _since(left, "unreachable_since", words, at)
    how = left.pop("how", None) if silent else None
    return silent if shared or how is None else f"{silent} ({safe(how)})"


def _noted(left: dict[str, Any], at: Callable[[float], str]) -> str:
    """What the node pack's snapshot told of an end that nothing else tells."""
    if "noted" not in left:
        return ""
    when = _since(left, "noted_at", "at", at)
    return f"the node pack told that it ended: {safe(left.pop('noted'))} {when}".rstrip()


def _ending(left: dict[str, Any], at: Callable[[float], str]) -> str:
    if "ending" not in left:
        return ""
    source, kind = safe(left.pop("source", "somebody")), safe(left.pop("ending"))
    words = f"{source} says {kind}"
    ended = _since(left, "ended_at", "at", at)
    words += f" {ended}" if ended else ""
    if "node_id" in left:
        words += f", node {safe(left.pop('node_id'))}"
        words += f" ({safe(left.pop('node_type'))})" if "node_type" in left else ""
    words += f", {safe(left.pop('exception_type'))}" if "exception_type" in left else ""
    words += ", all of it cached" if left.pop("cached", False) else ""
    return words


def _files(left: dict[str, Any], key: str, lead: str) -> Iterator[str]:
    files = left.get(key)
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        return
    for file in left.pop(key):
        state = _state(file)
        state += f" ({safe(file['by'])})" if file.get("by") else ""
        yield f"{lead}{safe(file.get('path', ''))}: {state}"


def _state(file: Mapping[str, Any]) -> str:
    """What was found of a file: its state, what proves it, what is wrong or to be known."""
    state, digest = safe(file.get("state", "")), file.get("digest")
    if digest is not None:
        identical = f"identical to what ComfyUI wrote ({safe(digest)})"
        state = f"whole, {identical}" if state == "sound" else f"{state}, {identical}"
    elif state == "sound" and file.get("proof") == "decoded":
        state = "decodes whole"
    found = [
        *_list(file, "defects"),
        *(safe(file[k]) for k in ("unjudged", "trouble") if k in file),
    ]
    found += _list(file, "expected")
    found += [f"warning: {warning}" for warning in _list(file, "warnings")]
    return state + (f": {'; '.join(found)}" if found else "")


def _list(file: Mapping[str, Any], key: str) -> list[str]:
    told = file.get(key)
    return [safe(each) for each in told] if isinstance(told, list) else []


def _since(left: dict[str, Any], key: str, words: str, at: Callable[[float], str]) -> str:
    if not isinstance(left.get(key), int | float):
        return ""
    return f"{words} {at(left.pop(key))}"


def _plain(value: object) -> str:
    return safe(value if isinstance(value, str) else json.dumps(value, default=str), MAX_LINE)
