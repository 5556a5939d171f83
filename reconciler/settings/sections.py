"""The sections of the settings, apart from servers and `stall`. Units are in the names.

Why each default is what it is stands in `config/reconciler.yaml`, the reference; a test holds the
two together.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize, Field, SecretStr, field_serializer, field_validator

from reconciler.core.lease import LeaseTerms
from reconciler.core.naming import MAX_PATTERNS, refused_pattern
from reconciler.settings.fields import (
    Bytes,
    Count,
    CountOrZero,
    Seconds,
    SecondsOrZero,
    Section,
    short_line,
)
from reconciler.settings.postgres import masked_dsn, refused_dsn, refused_schema, refused_table


class DatabaseSettings(Section):
    """The Postgres that holds the jobs table."""

    #: None = an embedded Postgres under `data_dir`.
    url: SecretStr | None = None
    #: The same database without a transaction pooler between: for LISTEN. None = `url`.
    direct_url: SecretStr | None = None
    #: Another database for our own tables. None = that of `url`.
    own_url: SecretStr | None = None
    #: The schema of our own tables, and the channel of their notifications.
    own_schema: str = "reconciler"
    jobs_table: str = "production_jobs"
    connect_timeout_s: Seconds = 5.0
    statement_timeout_s: Seconds = 30.0

    @property
    def dsn(self) -> str | None:
        """The address for the driver, password included: never log it."""
        return self.url.get_secret_value() if self.url else None

    @property
    def direct_dsn(self) -> str | None:
        """The same past a pooler, if there is one between."""
        return self.direct_url.get_secret_value() if self.direct_url else None

    @property
    def own_dsn(self) -> str | None:
        """As `dsn`, of the database of our own tables; None where that is the same."""
        return self.own_url.get_secret_value() if self.own_url else None

    @field_validator("own_schema")
    @classmethod
    def _schema_is_a_name(cls, name: str) -> str:
        if refusal := refused_schema(name):
            raise ValueError(refusal)
        return name

    @field_validator("url", "direct_url", "own_url")
    @classmethod
    def _url_is_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url and (refusal := refused_dsn(url.get_secret_value())):
            raise ValueError(refusal)
        return url

    @field_validator("jobs_table")
    @classmethod
    def _table_is_a_name(cls, name: str) -> str:
        if refusal := refused_table(name):
            raise ValueError(refusal)
        return name

    @field_serializer("url", "direct_url", "own_url", when_used="json-unless-none")
    def _without_password(self, url: SecretStr) -> str:
        return masked_dsn(url.get_secret_value())


class AgentSettings(Section):
    """This process among others that share the database."""

    #: What it is called among them. None: the host's name.
    name: Annotated[str, AfterValidator(short_line)] | None = None
    #: Within this time somebody else goes on with the servers of an agent that died or froze.
    takeover_s: Seconds = 30.0

    @property
    def terms(self) -> LeaseTerms:
        """The times of leases that follow from it."""
        return LeaseTerms(self.takeover_s)


class ReconcileSettings(Section):
    """How often everything is looked at, whether or not something was heard."""

    interval_s: Seconds = 10.0
    #: Events that arrive within this time cause one look.
    batch_s: SecondsOrZero = 0.05
    #: Between two writes of a row for nothing but its progress.
    progress_s: SecondsOrZero = 1.0


class ComfySettings(Section):
    """How ComfyUI is asked, the same for every server."""

    connect_timeout_s: Seconds = 3.0
    timeout_s: Seconds = 10.0
    max_answer_bytes: Bytes = ByteSize(64 * 2**20)
    socket: bool = True
    #: An open websocket silent for so long is opened anew.
    socket_silence_s: Seconds = 60.0


class WatchSettings(Section):
    """How changes in the output directories are noticed."""

    observer: Literal["auto", "inotify", "polling"] = "auto"
    #: Only for the polling observer.
    poll_interval_s: Seconds = 2.0
    rescan_s: Seconds = 60.0


class OutputSettings(Section):
    """When an output file counts as finished, as unsound, as missing."""

    settle_s: Seconds = 1.0
    unsound_confirm_s: Seconds = 10.0
    missing_output_grace_s: Seconds = 30.0
    #: Of a file that is fetched from a server; a larger one is not judged.
    fetch_limit_bytes: Bytes = ByteSize(4 * 2**30)
    #: Of all fetched copies of a server that stay after their inspection.
    fetch_keep_bytes: Bytes = ByteSize(10 * 2**30)


class InspectionSettings(Section):
    """The limits of the processes that decode files, and what is tolerated."""

    workers: Annotated[Count, Field(le=64)] = 1
    #: Of the decoder, for each file.
    threads: Annotated[Count, Field(le=64)] = 2
    #: Steps below the priority of the reconciler itself.
    nice: Annotated[CountOrZero, Field(le=19)] = 10
    wall_limit_s: Seconds = 600.0
    cpu_limit_s: Seconds = 900.0
    #: Of address space. Less than the minimum would make sound 4K video look damaged.
    memory_limit_bytes: Annotated[Bytes, Field(ge=2**29)] = ByteSize(4 * 2**30)
    #: Frames that may be missing or too many against what was expected.
    frame_tolerance: CountOrZero = 0
    #: The longer side.
    thumbnail_px: Annotated[Count, Field(ge=16, le=4096)] = 320


class LostSettings(Section):
    """When a prompt that its server does not know counts as lost."""

    confirmations: Count = 3
    grace_s: Seconds = 60.0
    #: Instead of `grace_s` where a changed boot id proves that ComfyUI was restarted.
    restart_grace_s: Seconds = 20.0


class TimeoutSettings(Section):
    """Limits on waiting; None = no limit."""

    queue_s: Seconds | None = None
    submit_s: Seconds | None = None
    never_seen_s: Seconds | None = 3600.0
    server_down_s: Seconds | None = 3600.0


class VerdictSettings(Section):
    """What to conclude where the evidence allows two answers."""

    late_success: Literal["accept", "ignore"] = "accept"
    #: How long after a failed verdict a late success is looked for.
    late_success_s: Seconds = 86_400.0
    no_output: Literal["fail", "complete"] = "fail"
    #: A file in a format that nothing here can decode.
    unjudged: Literal["complete", "fail"] = "complete"
    #: A sound file with other bytes than its manifest tells.
    rewritten: Literal["refuse", "accept"] = "refuse"


def _pattern(text: str) -> str:
    if refusal := refused_pattern(text):
        raise ValueError(refusal)
    return text


def _not_too_many(patterns: tuple[str, ...]) -> tuple[str, ...]:
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"should have at most {MAX_PATTERNS} entries")
    return patterns


class AttributionSettings(Section):
    """Whose a file is that no prompt lists."""

    bare_job_id: Literal["accept", "refuse"] = "accept"
    #: Regular expressions for whole paths below the output directory, best first.
    patterns: Annotated[
        tuple[Annotated[str, AfterValidator(_pattern)], ...], AfterValidator(_not_too_many)
    ] = ()


class LogSettings(Section):
    """What the service writes about itself, on stderr."""

    #: auto = console on a terminal, json elsewhere.
    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
