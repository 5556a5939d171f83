"""What is proposed, with the reason of each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.adopt.facts import Table
from reconciler.core.jobs import Status


class Confidence(StrEnum):
    """How sure a choice is."""

    #: The settings say so already, or whoever was asked.
    GIVEN = "given"
    #: The database itself says so: a constraint, a type, data that cannot mean anything else.
    CERTAIN = "certain"
    #: By its name, and nothing speaks against it.
    LIKELY = "likely"
    #: Nothing speaks for it: say another if it is wrong.
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting."""

    #: Its place: ("jobs", "columns", "error").
    setting: tuple[str, ...]
    value: Any
    confidence: Confidence
    reason: str
    #: What else could have been meant.
    alternatives: tuple[str, ...] = ()
    #: What is lost where the value is False.
    lost: str | None = None

    @property
    def name(self) -> str:
        """The last part: what people call it."""
        return self.setting[-1]


class NoteKind(StrEnum):
    """What a note is about."""

    #: Good to know.
    NOTE = "note"
    #: Somebody has to do it before `reconciler run` can work fully. We do not.
    TODO = "todo"
    #: Until it is solved nothing can be written.
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence that goes with the proposal."""

    kind: NoteKind
    text: str
    #: A statement to run, or a line to write.
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A word of the table whose meaning only a person knows."""

    word: str
    rows: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """How a table is to be read and written, and why."""

    table: Table
    choices: tuple[Choice, ...]
    notes: tuple[Note, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def problems(self) -> tuple[Note, ...]:
        """What stands against writing it."""
        return self.notes_of(NoteKind.PROBLEM)

    def notes_of(self, kind: NoteKind) -> tuple[Note, ...]:
        """The notes of one kind."""
        return tuple(note for note in self.notes if note.kind is kind)

    def choice(self, *setting: str) -> Choice | None:
        """What was chosen for a setting."""
        return next((c for c in self.choices if c.setting == setting), None)


@dataclass(frozen=True, slots=True)
class Given:
    """What the settings say already, apart from defaults: it is kept, wherever it is possible."""

    #: Of the section `jobs.columns`.
    columns: Mapping[str, Any] = field(default_factory=dict)
    #: Words by status.
    statuses: Mapping[Status, tuple[str, ...]] = field(default_factory=dict)
    #: What somebody said that a word means.
    answers: Mapping[str, Status] = field(default_factory=dict)
    progress: str | None = None
    timezone: str | None = None
    #: What the settings repeat of the defaults below `jobs`: it stands where nothing is known.
    repeated: frozenset[str] = frozenset()
    #: Names of the servers that are configured.
    servers: frozenset[str] = frozenset()
    own_schema: str = "reconciler"
    own_schema_is_told: bool = False
