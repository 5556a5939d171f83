"""What must hold of rows, states and events at every moment, and what they say when all is calm."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.simulator.simulator import Simulator
from reconciler.simulator.truth import Ending, TruthEntry
from tests.integration.running import Rows

FINAL = ("completed", "failed", "cancelled")

#: Row, state and story of a job are written together: what disagrees was written by halves.
_HALVES = """
    with told as (
        select distinct on (job_id) job_id, to_status, failure
        from reconciler.events where kind in ('status', 'late_success') order by job_id, id desc
    )
    select r.id::text as job, r.status, r.error, r.completed_at, r.output_path,
           s.known_status, s.failure, t.to_status, t.failure as told_failure
    from production_jobs r
    left join reconciler.job_state s on s.job_id = r.id::text
    left join told t on t.job_id = r.id::text
    where (s.job_id is null and (r.status <> 'queued' or t.job_id is not null))
       or r.status <> coalesce(s.known_status, r.status)
       or r.status <> coalesce(t.to_status, 'queued')
       or s.failure is distinct from t.failure
       or (r.status in ('completed', 'failed', 'cancelled')) <> (r.completed_at is not null)
       or (r.status = 'completed') <> (r.output_path is not null)
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


def expected(entry: TruthEntry) -> tuple[str, str]:
    """Status, and how its error begins, of a row whose prompt ended so and whose file is there."""
    endings = {
        Ending.SUCCESS: ("completed", ""),
        Ending.ERROR: ("failed", "execution_error"),
        Ending.INTERRUPTED: ("failed", "interrupted"),
        Ending.LOST: ("failed", "lost"),
        Ending.REMOVED: ("cancelled", ""),
    }
    return endings[entry.ending or Ending.LOST]


def wrong_rows(
    rows: Rows, truth: dict[str, TruthEntry], gone: frozenset[str] = frozenset()
) -> list[str]:
    """Rows that do not tell what became of their prompts; the files of `gone` prompts are away."""
    wrong = []
    for row in rows.sql("select * from production_jobs order by id"):
        entry = truth[row["comfyui_job_id"]]
        status, error = expected(entry)
        if entry.prompt_id in gone and status == "completed":
            status, error = "failed", "missing_output"
        path = entry.main_file if status == "completed" else None
        said = (row["status"], (row["error"] or "").split(":")[0], row["output_path"])
        if said != (status, error, path):
            wrong.append(f"{row['id']}: {said}, and in truth {entry}")
    return wrong
