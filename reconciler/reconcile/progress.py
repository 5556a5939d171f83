"""Progress and remaining time of a job, from what was heard of its prompt."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.case import Decision, Stage
from reconciler.core.jobs import Status
from reconciler.core.policy import Policy
from reconciler.reconcile.gather import Gatherer
from reconciler.store.records import JobRecord


@dataclass(frozen=True, slots=True)
class Progress:
    """Percent (100 only when completed) and seconds to go; None where nothing is known."""

    percent: int | None = None
    eta_s: float | None = None


def estimate_of(
    record: JobRecord, decision: Decision, gatherer: Gatherer, policy: Policy
) -> Progress:
    """What the row may say about progress under this decision."""
    if decision.status is Status.COMPLETED:
        return Progress(percent=100)
    if decision.stage is Stage.VALIDATING:
        return Progress(percent=99)
    return Progress(percent=record.progress, eta_s=record.eta_s)
