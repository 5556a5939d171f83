"""What a decision changes: of the row, of our own state of the job, and what its story is told."""

from __future__ import annotations

from reconciler.core.case import Decision
from reconciler.reconcile.progress import Progress
from reconciler.store.records import Event, JobRecord, RowChange, Write

#: By how much the stored time to go may be off before it is stored anew.
ETA_TOLERANCE = 0.05
#: The same for the end of its range.
ETA_HIGH_TOLERANCE = 0.15


def write_of(record: JobRecord, decision: Decision, change: RowChange) -> Write | None:
    """What is to be written; None where row and state say so already."""
    touch_row, event = _touches_row(record, change), _event(record, decision, change)
    write = Write(record, change, event, touch_row=touch_row)
    return write if write.is_news or _state_differs(record, change) else None


def change_of(record: JobRecord, decision: Decision, progress: Progress) -> RowChange:
    """What row and state are to say."""
    final = decision.status.is_final
    server = next(
        (p.server for p in record.prompts if p.prompt_id == decision.prompt_id), record.server
    )
    kept = decision.stage is None and not final
    return RowChange(
        status=decision.status,
        failure=decision.failure,
        stage=record.stage if kept else (decision.stage.value if decision.stage else None),
        server=server,
        prompt_id=decision.prompt_id or record.row_prompt_id,
        queue_position=decision.position,
        progress=progress.percent,
        eta_s=progress.eta_s,
        eta_high_s=progress.eta_high_s,
        wait_s=progress.wait_s,
        rule=decision.rule,
        reason=decision.reason,
        output_path=decision.output_path,
        warning=decision.warning,
    )


def _touches_row(record: JobRecord, change: RowChange) -> bool:
    """True where something that the application sees in its row is to change."""
    progress_known = change.progress in (None, record.progress, record.row_progress)
    return (
        change.status.value != record.row_status
        or (record.takes_progress and not progress_known)
        or (record.takes_prompt_id and not record.row_prompt_id and change.prompt_id is not None)
    ) and not (record.job.status.is_final and change.status == record.job.status)


def _state_differs(record: JobRecord, change: RowChange) -> bool:
    eta_moved = _moved(record.eta_s, change.eta_s, ETA_TOLERANCE)
    high_moved = _moved(record.eta_high_s, change.eta_high_s, ETA_HIGH_TOLERANCE)
    return (
        eta_moved
        or high_moved
        or (
            record.progress,
            record.stage,
            record.queue_position,
            record.rule,
            record.reason,
            record.server,
        )
        != (
            change.progress,
            change.stage,
            change.queue_position,
            change.rule,
            change.reason,
            change.server,
        )
    )


def _moved(stored_s: float | None, now_s: float | None, tolerance: float) -> bool:
    """It moves with every second; nobody needs minutes to be exact to the second."""
    before_s, after_s = stored_s or 0.0, now_s or 0.0
    return abs(after_s - before_s) >= max(1.0, tolerance * before_s)


def _event(record: JobRecord, decision: Decision, change: RowChange) -> Event | None:
    """The sentence of the story, where there is something new to tell."""
    if change.status.value != record.row_status:
        kind = "late_success" if decision.rule == "late_success" else "status"
    elif decision.rule != record.rule:
        kind = "late_success" if decision.rule == "late_success" else "stage"
    else:
        return None
    return Event(
        kind,
        decision.reason,
        from_status=record.row_status,
        to_status=change.status.value,
        failure=change.failure.value if change.failure else None,
        rule=decision.rule,
        evidence=decision.evidence,
    )
