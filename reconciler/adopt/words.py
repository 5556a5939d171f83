"""Words of a status column: what they mean, and which of them the column takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from reconciler.adopt.facts import Column
from reconciler.core.jobs import Status

#: Unambiguous words alone, normalised, the usual one first. What is not here is asked for.
MEANINGS: Mapping[Status, tuple[str, ...]] = {
    Status.QUEUED: (
        *("queued", "pending", "waiting", "new", "created", "submitted", "scheduled", "enqueued"),
        *("in_queue", "inqueue", "todo", "not_started", "accepted"),
    ),
    Status.PROCESSING: (
        *("processing", "running", "in_progress", "inprogress", "started", "working", "executing"),
        *("rendering", "generating", "active"),
    ),
    Status.COMPLETED: (
        *("completed", "complete", "done", "success", "succeeded", "successful", "finished"),
        "ok",
    ),
    Status.FAILED: (
        *("failed", "failure", "fail", "error", "errored", "crashed", "exception"),
        *("timed_out", "timeout"),
    ),
    Status.CANCELLED: ("cancelled", "canceled", "aborted", "revoked"),
}
_MEANING = {word: status for status, words in MEANINGS.items() for word in words}
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_DEFAULT = re.compile(r"'((?:[^']|'')*)'(?:::.+)?")
_CAST = re.compile(r"::[a-z ]+(\(\d+\))?(\[\])?")
#: What a CHECK may be made of, if its literals (W) are to be all the words that it allows.
_LIST_OF_WORDS = re.compile(r"(?:\s|[=()\[\],W]|CHECK|ANY|ARRAY|OR)*")


def plain(word: str) -> str:
    """A word as `MEANINGS` has it: In-Progress is in_progress."""
    return re.sub(r"[\s\-_]+", "_", word.strip().lower())


def meaning(word: str) -> Status | None:
    """What a word means, whatever its case; None where nobody can be sure."""
    return _MEANING.get(plain(word))


def known_words(words: Iterable[str]) -> int:
    """How many of them are understood."""
    return sum(meaning(word) is not None for word in words)


def commonness(word: str, status: Status) -> int:
    """Its place among the usual words of a status: 0 is the most usual."""
    usual = MEANINGS[status]
    return usual.index(plain(word)) if plain(word) in usual else len(usual)


def default_word(column: Column) -> str | None:
    """The word that a new row has, if it is a plain one."""
    found = _DEFAULT.fullmatch(column.default or "")
    return found[1].replace("''", "'") if found else None


def allowed_words(column: Column) -> tuple[str, ...] | None:
    """The only words that the column takes, by its enum or its CHECK; None = not known, or any."""
    if column.labels:
        return column.labels
    for check in column.checks:
        words = [word.replace("''", "'") for word in _LITERAL.findall(check)]
        rest = _CAST.sub("", _LITERAL.sub("W", check).replace(f'"{column.name}"', ""))
        rest = re.sub(rf"\b(VALUE|{re.escape(column.name)})\b", "", rest)
        if words and _LIST_OF_WORDS.fullmatch(rest):
            return tuple(dict.fromkeys(words))
    return None


def all_words(column: Column, seen: Mapping[str, int]) -> list[str]:
    """Every word that the column has, starts with or takes; those seen first."""
    default = default_word(column)
    return list(
        dict.fromkeys([*seen, *([default] if default else []), *(allowed_words(column) or ())])
    )


def styled(word: str, words: Sequence[str]) -> str:
    """A word in the case that most of these have: upper, title, or lower."""
    styles = [str.upper if w.isupper() else str.capitalize if w.istitle() else str for w in words]
    return max(styles, key=styles.count, default=str)(word)
