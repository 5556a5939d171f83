"""Which words of a table stand for which status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.adopt.facts import Column, Family
from reconciler.adopt.proposal import Choice, Confidence, Given, Note, NoteKind, Question
from reconciler.adopt.words import (
    all_words,
    allowed_words,
    commonness,
    default_word,
    meaning,
    styled,
)
from reconciler.core.jobs import Status

#: Without a word for these, a job could not be followed to its end.
_NEEDED = (Status.QUEUED, Status.PROCESSING, Status.COMPLETED, Status.FAILED)
#: Of these every table has rows, sooner or later: own words for them are worth a question.
_TELLING = (Status.QUEUED, Status.COMPLETED)
MAX_SHOWN = 8


def rows(number: int) -> str:
    """So many rows, in words."""
    return f"{number} row" if number == 1 else f"{number} rows"


@dataclass(frozen=True, slots=True)
class Words:
    """What was found out about the words."""

    choices: tuple[Choice, ...] = ()
    notes: tuple[Note, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that is known of the column's words."""

    column: Column
    #: How many rows have each word, of those seen.
    seen: Mapping[str, int]
    #: What the settings say explicitly, and what somebody answered since.
    told: Mapping[Status, tuple[str, ...]]
    answers: Mapping[str, Status]
    words: Sequence[str]
    #: The only words that it takes; None = any.
    allowed: Sequence[str] | None
    meanings: Mapping[str, Status | None] = field(default_factory=dict)

    def of(self, status: Status) -> list[str]:
        """Words that mean it: the one to write first, as most rows have it."""
        default = default_word(self.column)
        return sorted(
            (word for word in self.words if self.meanings[word] is status),
            key=lambda w: (-self.seen.get(w, 0), w != default, commonness(w, status)),
        )

    @property
    def unknown(self) -> list[str]:
        return [word for word in self.words if self.meanings[word] is None]

    def takes(self, word: str) -> bool:
        """True where the column can hold it."""
        if self.column.family is Family.WHOLE:
            return word.lstrip("-").isdecimal()
        fits = self.column.max_length is None or len(word) <= self.column.max_length
        return fits and (self.allowed is None or word in self.allowed)


def recognise_statuses(column: Column, seen: Mapping[str, int], given: Given) -> Words:
    """The words of each status, from the table's constraints, its default and its rows."""
    words = all_words(column, seen)
    told = {word: status for status, each in given.statuses.items() for word in each}
    told |= given.answers
    meanings = {word: told.get(word) or _meaning(word, given) for word in words}
    allowed = allowed_words(column)
    facts = _Facts(column, seen, given.statuses, given.answers, words, allowed, meanings)
    found = {status: choice for status in Status if (choice := _choice(facts, status))}
    if facts.unknown and any(_is_a_guess(found.get(status)) for status in _TELLING):
        found = {status: choice for status, choice in found.items() if not _is_a_guess(choice)}
    lacking = [status for status in _NEEDED if status not in found]
    questions = tuple(Question(w, seen.get(w, 0)) for w in facts.unknown)
    notes = [*_unknown(facts), *_lacking(facts, lacking)]
    return Words(tuple(found.values()), tuple(notes), questions)


def _meaning(word: str, given: Given) -> Status | None:
    """What a word usually means; None too where the settings list that status and leave it out."""
    status = meaning(word)
    return None if status in given.statuses else status


def _is_a_guess(choice: Choice | None) -> bool:
    return choice is None or choice.confidence is Confidence.ASSUMED


def _choice(facts: _Facts, status: Status) -> Choice | None:
    """The words of one status; None where the table has none for it."""
    setting = ("jobs", "statuses", status.value)
    told = facts.told.get(status)
    if told is not None and all(facts.takes(word) for word in told):
        said = [word for word, means in facts.answers.items() if means is status]
        if said:
            return Choice(setting, [*told, *said], Confidence.CERTAIN, "as you said")
        return Choice(setting, list(told), Confidence.GIVEN, "the settings say so")
    if own := facts.of(status):
        return Choice(setting, own, Confidence.CERTAIN, _why(facts, own))
    if status is Status.CANCELLED and facts.allowed is not None:
        why = "the column takes no word for it: failed is written then"
        return Choice(setting, [], Confidence.CERTAIN, why)
    word = styled(status.value, [word for word in facts.words if facts.meanings[word]])
    if not facts.takes(word):
        return None
    return Choice(setting, [word], Confidence.ASSUMED, "not seen yet, and any word is allowed")


def _why(facts: _Facts, own: Sequence[str]) -> str:
    first = own[0]
    if count := facts.seen.get(first):
        why = f"in {rows(count)} of those seen"
    elif first == default_word(facts.column):
        why = "what a new row has"
    else:
        why = "allowed by type or CHECK" if facts.allowed else "in the planner's statistics"
    return f"{why}; {first!r} is written, all are read" if len(own) > 1 else why


def _unknown(facts: _Facts) -> list[Note]:
    unknown = facts.unknown
    if not unknown:
        return []
    shown = ", ".join(f"{word!r} ({rows(facts.seen.get(word, 0))})" for word in unknown[:MAX_SHOWN])
    more = f", and {len(unknown) - MAX_SHOWN} more" if len(unknown) > MAX_SHOWN else ""
    text = f"unknown words of {facts.column.name}: {shown}{more}. Rows with them are left alone"
    advice = "if one of them is a status, add it to its list below jobs.statuses"
    return [Note(NoteKind.NOTE, text, advice)]


def _lacking(facts: _Facts, lacking: Sequence[Status]) -> list[Note]:
    if not lacking:
        return []
    names = ", ".join(lacking)
    if facts.unknown:
        lines = " ".join(f"{status}: [...]" for status in lacking)
        text = f"which of the unknown words mean {names}? Nothing is guessed"
        return [Note(NoteKind.PROBLEM, text, f"write into the settings, jobs.statuses: {lines}")]
    text = f"{facts.column.name} has no word for {names}, and takes no other"
    return [Note(NoteKind.PROBLEM, text, _how_to_allow(facts, lacking))]


def _how_to_allow(facts: _Facts, lacking: Sequence[Status]) -> str:
    column, words = facts.column, [styled(status, facts.words) for status in lacking]
    if column.labels:
        return " ".join(f"ALTER TYPE {column.type} ADD VALUE '{word}';" for word in words)
    if facts.allowed is None:
        return f"{column.type} is too short for ours: name a shorter one below jobs.statuses"
    return f"let the CHECK of {column.name} allow {', '.join(map(repr, words))} too"
