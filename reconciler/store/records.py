"""What the store hands out and takes back: rows, prompts and changes as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reconciler.core.evidence import Doing, Ending, EndKind, ListedFile, NodeRun, Source
from reconciler.core.expectation import Expectation, SaverPromise
from reconciler.core.jobs import FailureCode, Job, Status
from reconciler.errors import DatabaseError
from reconciler.store.clean import clean_text


@dataclass(slots=True)
class PromptRecord:
    """One prompt of a job, with its clocks. Times: seconds since the epoch, database's clock."""

    prompt_id: str
    job_id: str
    attempt: int
    server: str | None = None
    client_id: str | None = None
    output_nodes: int | None = None
    ever_seen: bool = False
    running_since: float | None = None
    last_sign_at: float | None = None
    missing_looks: int = 0
    missing_since: float | None = None
    ending: Ending | None = None
    ending_seen_at: float | None = None
    interrupted_by_us: bool = False
    #: `ServerRecord.unwatched_s` when its run began: what was added since is of this run.
    unwatched_before_s: float = 0.0
    #: What it was doing when it was heard last.
    doing: Doing | None = None
    #: The life of ComfyUI's process in which it was last seen, and since when another answers.
    boot_id: str | None = None
    boot_changed_since: float | None = None


@dataclass(slots=True)
class JobRecord:
    """One row of the jobs table with what we know of it."""

    job: Job
    #: The row as read: what a write is compared with.
    row_status: str
    row_prompt_id: str | None
    row_progress: int | None
    #: None: the row was never seen before.
    known_status: str | None
    stage: str | None = None
    server: str | None = None
    queue_position: int | None = None
    progress: int | None = None
    eta_s: float | None = None
    eta_high_s: float | None = None
    rule: str | None = None
    reason: str | None = None
    overwritten: int = 0
    decided_at: float | None = None
    #: The server that the row itself names, where a column tells it, as the settings call it.
    row_server: str | None = None
    #: When the row was created; when we saw it first, where the table does not say.
    created_at: float = 0.0
    #: What the row expects of its main output, and whether its frames are only what the column
    #: has by default.
    expects: Expectation = field(default_factory=Expectation)
    frames_by_default: bool = False
    #: The status in the table's own word, which may be another: what a write is compared with.
    row_word: str | None = None
    #: The row can be told its prompt's id, where it names none.
    takes_prompt_id: bool = True
    #: The row can tell how far the job is.
    takes_progress: bool = True
    #: The prompts of all attempts.
    prompts: list[PromptRecord] = field(default_factory=list)

    @property
    def attempted(self) -> list[PromptRecord]:
        """The prompts of the current attempt: those that count."""
        return [prompt for prompt in self.prompts if prompt.attempt == self.job.attempt]

    @property
    def known_open(self) -> bool:
        """The row was open when we last wrote or read it."""
        return self.known_status in (Status.QUEUED.value, Status.PROCESSING.value)

    @property
    def is_followed(self) -> bool:
        """What the row says is what we know of it, or is ours to set right."""
        return self.known_status is not None and self.known_open != self.job.status.is_final

    @property
    def names_another_prompt(self) -> bool:
        """The row names a prompt that is none of its attempt's: the application replaced it."""
        current = {prompt.prompt_id for prompt in self.attempted}
        return bool(current) and self.row_prompt_id not in {None, *current}

    @property
    def names_an_ended_prompt(self) -> bool:
        """It is known how the prompt ended that the row names: nothing is to be expected of it."""
        lost = self.job.failure is FailureCode.LOST
        return any(
            p.prompt_id == self.row_prompt_id and (lost or p.ending is not None)
            for p in self.prompts
        )


@dataclass(frozen=True, slots=True)
class Event:
    """A sentence of a job's story."""

    kind: str
    reason: str
    from_status: str | None = None
    to_status: str | None = None
    failure: str | None = None
    rule: str | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoryEvent:
    """An event as it was stored."""

    id: int
    at: float
    attempt: int
    event: Event


@dataclass(frozen=True, slots=True)
class RowChange:
    """What the row and our state of the job are to say."""

    status: Status
    failure: FailureCode | None
    stage: str | None
    server: str | None
    prompt_id: str | None
    queue_position: int | None
    progress: int | None
    eta_s: float | None
    rule: str
    reason: str
    output_path: str | None
    #: What a person should know of a job that is completed all the same.
    warning: str | None = None
    #: What nine of ten do not exceed; `eta_s` is the median.
    eta_high_s: float | None = None
    #: Until a waiting prompt begins, as is expected. It moves as `eta_s` does.
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """One job's part of a batch: its row, our state of it and a sentence of its story, which are
    written together or not at all."""

    record: JobRecord
    change: RowChange
    event: Event | None
    #: False: only our own state changes, and the row keeps its `updated_at`.
    touch_row: bool = True

    @property
    def is_news(self) -> bool:
        """True where more than our own state changes."""
        return self.touch_row or self.event is not None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch, by job. One that is in neither had changed meanwhile: somebody else
    was faster, and it is to be looked at again."""

    done: frozenset[str] = frozenset()
    refused: Mapping[str, DatabaseError] = field(default_factory=dict)

    def __or__(self, other: Written) -> Written:
        """What became of two batches."""
        return Written(self.done | other.done, {**self.refused, **other.refused})


def ending_to_json(ending: Ending | None) -> dict[str, object] | None:
    """An ending as it is stored."""
    if ending is None:
        return None
    return asdict(ending) | {"files": [_file_to_json(file) for file in ending.files]}


def doing_from_json(stored: Mapping[str, Any] | None) -> Doing | None:
    """What a prompt was doing, as `dataclasses.asdict` made it to be stored."""
    return None if stored is None else Doing(**stored)


def ending_from_json(stored: Mapping[str, object] | None) -> Ending | None:
    """The inverse of `ending_to_json`."""
    if stored is None:
        return None
    values = dict(stored)
    files = values.pop("files", []) or []
    runs = values.pop("node_runs", []) or []
    promises = values.pop("promises", []) or []
    return Ending(
        **{  # type: ignore[arg-type]
            **values,
            "kind": EndKind(str(values["kind"])),
            "source": Source(str(values["source"])),
            "files": tuple(_file_from_json(f) for f in files),  # type: ignore[attr-defined]
            "node_runs": tuple(NodeRun(**run) for run in runs),  # type: ignore[attr-defined]
            "promises": tuple(SaverPromise(**p) for p in promises),  # type: ignore[attr-defined]
        }
    )


def _file_to_json(file: ListedFile) -> dict[str, object]:
    """A name need not be text that Postgres takes, and has to be the same name when it is read."""
    names = {"filename": file.filename, "subfolder": file.subfolder}
    if all(name == clean_text(name) for name in names.values()):
        return asdict(file)
    escaped = {key: name.encode("unicode_escape").decode() for key, name in names.items()}
    return asdict(file) | escaped | {"escaped": True}


def _file_from_json(stored: Mapping[str, Any]) -> ListedFile:
    values = dict(stored)
    if values.pop("escaped", False):
        for key in ("filename", "subfolder"):
            values[key] = values[key].encode().decode("unicode_escape")
    return ListedFile(**values)
