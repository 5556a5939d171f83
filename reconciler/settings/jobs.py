"""The section `jobs`: how the jobs table is to be read and written, whatever its columns are called
and in which words it says a status. `reconciler adopt` proposes it for a table that is there."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.core.jobs import Status
from reconciler.settings.fields import Section
from reconciler.settings.postgres import MAX_NAME_BYTES
from reconciler.settings.problems import printable

#: No status word is longer.
MAX_WORD_LENGTH = 200


def _column_name(name: str) -> str:
    if not name or "\0" in name:
        raise ValueError("should be a column's name, as Postgres shows it, without quotes")
    if len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        raise ValueError(f"is longer than the {MAX_NAME_BYTES} bytes that Postgres keeps of a name")
    return name


def _word(text: str) -> str:
    if not text or len(text) > MAX_WORD_LENGTH or "\0" in text:
        raise ValueError(f"should be 1 to {MAX_WORD_LENGTH} characters")
    return text


ColumnName = Annotated[str, AfterValidator(_column_name)]
Word = Annotated[str, AfterValidator(_word)]


class InsideColumn(Section):
    """A value inside a json or jsonb column: only read, never written."""

    column: ColumnName
    #: Keys from the outside in.
    path: Annotated[tuple[Word, ...], Field(min_length=1, max_length=10)]


#: None = the column of the setting's own or usual name, where the table has it; False = none.
Written = ColumnName | Literal[False] | None
Read = ColumnName | InsideColumn | Literal[False] | None


class ColumnSettings(Section):
    """Which column holds what. What the reconciler reads only may lie inside a json column."""

    id: ColumnName = "id"
    status: ColumnName = "status"
    #: False: only tags tell which prompt is a row's. Inside a json column it is never filled in.
    prompt_id: ColumnName | InsideColumn | Literal[False] = "comfyui_job_id"
    job_type: Read = None
    frames: Read = None
    fps: Read = None
    duration_s: Read = None
    width: Read = None
    height: Read = None
    audio: Read = None
    #: The name of the server that the job is for, as `servers` calls it.
    server: Read = None
    created_at: ColumnName | Literal[False] | None = None
    progress: Written = None
    output_path: Written = None
    error: Written = None
    updated_at: Written = None
    completed_at: Written = None


class StatusSettings(Section):
    """The words of each status: all are read, the first is written."""

    queued: Annotated[tuple[Word, ...], Field(min_length=1)] = (Status.QUEUED.value,)
    processing: Annotated[tuple[Word, ...], Field(min_length=1)] = (Status.PROCESSING.value,)
    completed: Annotated[tuple[Word, ...], Field(min_length=1)] = (Status.COMPLETED.value,)
    failed: Annotated[tuple[Word, ...], Field(min_length=1)] = (Status.FAILED.value,)
    #: Empty where the table has no word for it: such jobs are set to failed.
    cancelled: tuple[Word, ...] = (Status.CANCELLED.value,)

    @model_validator(mode="before")
    @classmethod
    def _one_word_is_a_list(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: [value] if isinstance(value, str) else value for key, value in data.items()}

    @model_validator(mode="after")
    def _each_word_once(self) -> StatusSettings:
        seen: dict[str, Status] = {}
        for status in Status:
            for word in getattr(self, status.value):
                other = seen.setdefault(word, status)
                if other is not status:
                    raise ValueError(
                        f"the word {printable(word)!r} stands for {other} and {status}"
                    )
        return self


class JobsSettings(Section):
    """How the jobs table says what it says."""

    columns: ColumnSettings = ColumnSettings()
    statuses: StatusSettings = StatusSettings()
    #: percent: 0 to 100; fraction: 0 to 1.
    progress: Literal["percent", "fraction"] = "percent"
    #: The time zone of columns of type `timestamp`, which say none: a name that Postgres knows.
    timezone: Annotated[str, AfterValidator(_word)] = "UTC"
