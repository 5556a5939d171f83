"""What must hold of rows, states and events at every moment, and what they say when all is calm."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from reconciler.simulator.truth import Ending, TruthEntry
from tests.integration.running import Rows

FINAL = ("completed", "failed", "cancelled")

#: Row, state and story of a job are written together: what disagrees was written by halves. A row
#: that its application took back before anybody saw it has neither state nor story.
_HALVES = """
    with told as (
        select distinct on (job_id) job_id, to_status, failure
        from reconciler.events where kind in ('status', 'late_success', 'application')
        order by job_id, id desc
    )
    select r.id::text as job, r.status, r.error, r.completed_at, r.output_path,
           s.known_status, s.failure, t.to_status, t.failure as told_failure
    from production_jobs r
    left join reconciler.job_state s on s.job_id = r.id::text
    left join told t on t.job_id = r.id::text
    where (s.job_id is null
           and (r.status not in ('queued', 'cancelled') or t.job_id is not null))
       or r.status <> coalesce(s.known_status, r.status)
       or (s.job_id is not null and r.status <> coalesce(t.to_status, 'queued'))
       or s.failure is distinct from t.failure
       or (r.status in ('completed', 'failed', 'cancelled')) <> (r.completed_at is not null)
       or (r.status = 'completed' and r.output_path is null)
       or (r.status = 'failed') <> (r.error is not null)
"""
#: No status is told twice in a row.
_DOUBLED = """
    select job_id, from_status, to_status, reason from (
        select *, lag(to_status) over (partition by job_id order by id) as before
        from reconciler.events where kind in ('status', 'late_success')
    ) as story where to_status = before
"""
_TWICE_OWNED = """
    select path, count(*) from reconciler.outputs group by path having count(distinct job_id) > 1
"""


def halves(rows: Rows) -> list[object]:
    """Whatever was written by halves, or twice; while nobody writes."""
    return [*rows.sql(_HALVES), *rows.sql(_DOUBLED), *rows.sql(_TWICE_OWNED)]


def verdicts_told_twice(rows: Rows) -> list[object]:
    """Jobs with more than one final event."""
    twice = "select job_id, count(*) from reconciler.events where to_status in %s group by job_id"
    return [*rows.sql(f"{twice} having count(*) > 1", FINAL)]


def truths(simulators: Iterable[Simulator]) -> dict[str, TruthEntry]:
    """What became of each prompt, whoever ran it."""
    return {entry.prompt_id: entry for gpu in simulators for entry in gpu.truth()}


#: What a row says of a success whose script did something to its file.
_SPOILED = {
    Outcome.DELETED: ("failed", "missing_output"),
    Outcome.TRUNCATED: ("failed", "invalid_output"),
    Outcome.NO_OUTPUT: ("failed", "no_output"),
}
_ENDINGS = {
    Ending.SUCCESS: ("completed", ""),
    Ending.ERROR: ("failed", "execution_error"),
    Ending.INTERRUPTED: ("failed", "interrupted"),
    Ending.LOST: ("failed", "lost"),
    Ending.REMOVED: ("cancelled", ""),
}


def expected(entry: TruthEntry) -> tuple[str, str]:
    """Status, and how its error begins, of the row of a prompt that ended so."""
    assert entry.ending is not None, entry
    if entry.ending is Ending.SUCCESS and entry.outcome in _SPOILED:
        return _SPOILED[entry.outcome]
    if entry.ending is Ending.ERROR and entry.outcome is Outcome.OUT_OF_MEMORY:
        return ("failed", "out_of_memory")
    return _ENDINGS[entry.ending]


def wrong_rows(
    rows: Rows,
    truth: dict[str, TruthEntry],
    *,
    cancelled: Collection[str] = (),
    crashed_at: Collection[float] = (),
) -> list[str]:
    """Rows that do not tell what became of their prompts.

    `cancelled` are those that the application took back itself, by prompt. Where ComfyUI died at
    the end of a prompt (`crashed_at`), nobody may have been told of it, or its file may be whole.
    """
    wrong = []
    for row in rows.sql("select * from production_jobs order by id"):
        entry = truth[row["comfyui_job_id"]]
        said = (row["status"], (row["error"] or "").split(":")[0])
        right = {("cancelled", "")} if entry.prompt_id in cancelled else _right(entry, crashed_at)
        path_is_right = said[0] != "completed" or row["output_path"] == entry.main_file
        if said not in right or not path_is_right:
            wrong.append(f"{row['id']}: {said} {row['output_path']}, and in truth {entry}")
    return wrong


def _right(entry: TruthEntry, crashed_at: Collection[float]) -> set[tuple[str, str]]:
    right = {expected(entry)}
    if entry.ending is Ending.LOST:  # before anybody had seen it
        right.add(("failed", "never_submitted"))
    if entry.ending is Ending.LOST and Path(entry.main_file or "/nowhere").exists():
        right.add(_ENDINGS[Ending.SUCCESS])
    if any(0.0 <= at - (entry.ended_at or 0.0) < 1.0 for at in crashed_at):
        right.add(_ENDINGS[Ending.LOST])
    return right
