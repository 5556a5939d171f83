"""What must hold after every step: of the rows, of their stories, and of the files' owners."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.faults.stateful.truth import is_left_alone, when_calm
from tests.faults.stateful.world import FINAL, Row, World, says_of

#: Verdicts that a proven success may still lift.
TOLD = ("execution_error", "out_of_memory", "interrupted", "rejected")


def check_step(world: World) -> None:
    """After each step."""
    if world.failures:
        raise world.failures[0]
    check_rows(world)
    stories = _by_job(world, "select * from reconciler.events order by id")
    states = _by_job(world, "select * from reconciler.job_state")
    for row in world.rows.values():
        if states.get(row.id):
            _check_story(row, stories.get(row.id, []), states[row.id][0])
    _check_prompts(world)
    _check_owners(world)


def check_rows(world: World) -> None:
    """After each pass, too: the next one may change them again."""
    rows = world.database.sql("select id::text, status, error, output_path from production_jobs")
    for found in rows:
        _check_row(world.rows[found["id"]], found)


def _check_row(row: Row, found: dict[str, Any]) -> None:
    """What a reconciler made of the row since it was read last, or the application wrote it."""
    before, after = row.says, says_of(found)
    if before != after:
        words = f"row {row.id}: {before} became {after}"
        assert not row.cancelled, f"{words}, over the application's own word"
        if before[0] in FINAL:
            late = before[0] == "failed" and before[1] not in TOLD and after[0] == "completed"
            assert late, f"{words}, though it was final"
        if after[0] in FINAL and not row.unsure:
            assert after in row.justified, f"{words}; justified: {sorted(map(str, row.justified))}"
        if after[0] == "completed" and not row.unsure:
            paths = {str(f.path) for p in row.prompts for f in p.files}
            assert found["output_path"] in paths, f"{words}, with {found['output_path']}"
        row.note(after)
        row.path = found["output_path"]


def _check_story(row: Row, story: list[dict[str, Any]], state: dict[str, Any]) -> None:
    """One chain from the first status to the last, with one verdict for each attempt."""
    said = [e for e in story if e["from_status"] is not None and e["to_status"] is not None]
    for before, after in pairwise(said):
        follows = after["from_status"] == before["to_status"]
        assert follows or after["from_status"] in row.written, (
            f"row {row.id}: the story goes from {before['to_status']} on with"
            f" {after['from_status']}: {after['reason']}"
        )
    if said and not row.deleted:
        last = said[-1]["to_status"]
        known = {last, *row.written}
        assert row.says[0] in known, f"row {row.id} says {row.says}, its story {last}"
        assert state["known_status"] in known, f"row {row.id}: known as {state['known_status']}"
    for event in said:
        told = event["kind"] == "status" and event["to_status"] in FINAL
        assert not told or event["to_status"] in row.history, (
            f"row {row.id} never said {event['to_status']}, as its story tells"
        )
    _check_verdicts(row, story)


def _check_verdicts(row: Row, story: list[dict[str, Any]]) -> None:
    ends = [e for e in story if e["to_status"] in FINAL and e["from_status"] != e["to_status"]]
    for kinds in (("status", "application"), ("late_success",)):
        attempts = [e["attempt"] for e in ends if e["kind"] in kinds]
        assert len(attempts) == len(set(attempts)), f"row {row.id} ended twice: {attempts}"
    verdict = row.says[0] in FINAL and row.says[0] not in row.written
    assert not verdict or any(e["to_status"] == row.says[0] for e in ends), (
        f"row {row.id} says {row.says}, and no event tells of it"
    )


def _check_prompts(world: World) -> None:
    """Nothing is counted as missing that was never away; an ending is kept, and the true one."""
    truth = {prompt.id: prompt for prompt in world.prompts}
    for found in world.database.sql("select * from reconciler.prompts"):
        prompt = truth[found["prompt_id"]]
        words = f"prompt {prompt.id} of row {found['job_id']}"
        if found["missing_looks"]:
            prompt.was_away |= is_left_alone(world, prompt)
            assert prompt.was_away, f"{words} counts as missing, and was never away"
            assert found["missing_since"] is not None, f"{words} is missing since never"
        if prompt.known:
            assert found["ending"] is not None, f"{words}: its ending was forgotten"
        if found["ending"] is not None:
            kind = "removed" if prompt.removed else prompt.ending and prompt.ending.kind.value
            assert found["ending"]["kind"] == kind, f"{words} ended by {kind}"


def _check_owners(world: World) -> None:
    """A file is a job's only if one of the job's prompts wrote it."""
    writers = {
        str(file.path): {p.id for p in file.writers}
        for comfy in world.comfys.values()
        for file in comfy.files.values()
    }
    for found in world.database.sql(
        "select convert_from(path, 'utf8') as path, job_id, prompt_id from reconciler.outputs"
        " where job_id is not null"
    ):
        wrote = writers.get(found["path"], set())
        words = f"{found['path']} is said to be prompt {found['prompt_id']}'s"
        assert found["prompt_id"] in wrote, f"{words}; written by {wrote}"
    for row in world.rows.values():
        if row.says[0] == "completed" and row.path is not None and not row.unsure:
            wrote = writers.get(row.path, set())
            mine = any(p.cached or p.id in wrote for p in row.prompts)
            assert mine, f"row {row.id} has {row.path}, which others wrote"


def check_calm(world: World, *, hours_later: bool) -> None:
    """When everything answers again: the rows say what is the case."""
    linked = {
        found["prompt_id"]: found["ending"]
        for found in world.database.sql("select prompt_id, ending from reconciler.prompts")
    }
    for row in world.rows.values():
        if row.deleted:
            continue
        wanted = when_calm(world, row, linked, hours_later=hours_later)
        assert wanted is None or row.says[0] in wanted, (
            f"when it is calm, row {row.id} says {row.says} and not {sorted(wanted or ())}"
        )
    for found in world.database.sql(
        "select job_id, status, known_status from reconciler.job_state"
        " join production_jobs on id::text = job_id"
        " where status <> known_status and known_status in ('queued', 'processing')"
    ):
        left_alone = world.rows[found["job_id"]].overwritten >= 2
        assert left_alone, f"when it is calm, row {found['job_id']} is known as {found}"


def _by_job(world: World, statement: str) -> dict[str, list[dict[str, Any]]]:
    by_job: dict[str, list[dict[str, Any]]] = {}
    for found in world.database.sql(statement):
        by_job.setdefault(found["job_id"], []).append(found)
    return by_job
