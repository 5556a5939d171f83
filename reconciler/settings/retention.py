"""How long things are kept that nobody may need any more. Units are in the names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconciler.settings.fields import Number, Seconds, Section

#: Longer than a weekend away; what failed yesterday may still succeed late.
Days = Annotated[float, Number, Field(ge=2, le=36_600, allow_inf_nan=False)]
Rows = Annotated[int, Number, Field(ge=1, le=10**12)]


class RetentionSettings(Section):
    """What is older goes, and what is beyond the number; None = nothing goes for that reason.

    Nothing of an open job ever goes.
    """

    interval_s: Seconds = 3600.0
    events_days: Days | None = 90.0
    events_count: Rows | None = 10_000_000
    #: State, prompts and listings of final jobs.
    jobs_days: Days | None = 365.0
    #: What is known of files that are there no more.
    outputs_days: Days | None = 90.0
    outputs_count: Rows | None = 1_000_000
    thumbnails_days: Days | None = 30.0
    thumbnails_count: Rows | None = 50_000
    #: What past runs took.
    runs_days: Days | None = 365.0
    runs_count: Rows | None = 200_000
    #: What webhooks were told, or were not in the end.
    deliveries_days: Days | None = 30.0
    deliveries_count: Rows | None = 1_000_000
    manifests_days: Days | None = 30.0
    manifests_count: Rows | None = 20_000
