"""From a strange table to rows that tell the truth: adopt, then the service, both as processes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from tests.integration.adopting import STRANGE_TABLE
from tests.integration.commands import reconciler
from tests.integration.running import Rows, running, write_config
from tests.integration.studio_tables import BARE, WITH_PARAMETERS, WITH_TRIGGER
from tests.integration.tables import run_sql
from tests.waiting import wait_for


@dataclass(frozen=True)
class Strange:
    """A table as its application made it, and what it should say in the end."""

    ddl: str
    new_row: Mapping[str, Any]
    #: What a test asks of it, by what it is: the application's names.
    table: str = "production_jobs"
    key: str = "id"
    status: str = "status"
    #: None: a prompt carries the row's key as its tag.
    prompt_id: str | None = "comfyui_job_id"
    #: Columns of a completed row that have to be filled, and of a failed one.
    filled: tuple[str, ...] = ()
    error: str | None = None
    #: A new row that promises a frame too many, where the table says frames in a place of its own.
    longer: Mapping[str, Any] | None = None
    words: Mapping[str, str] = field(
        default_factory=lambda: {"completed": "completed", "failed": "failed"}
    )


TABLES = {
    "with_trigger": Strange(
        WITH_TRIGGER.ddl,
        {**WITH_TRIGGER.new_row, "frames": 6},
        filled=("output_path", "completed_at", "updated_at"),
        error="error",
    ),
    "with_parameters": Strange(
        WITH_PARAMETERS.ddl,
        {**WITH_PARAMETERS.new_row, "parameters": json.dumps({"frames": 6})},
        prompt_id=None,
        filled=("result_path", "completed_at"),
        error="error_message",
    ),
    "with_parameters, altered": Strange(
        f"{WITH_PARAMETERS.ddl} alter table production_jobs add column comfyui_job_id text unique;",
        WITH_PARAMETERS.new_row,
        filled=("result_path",),
        error="error_message",
    ),
    "bare": Strange(BARE.ddl, BARE.new_row),
    "mixed": Strange(
        STRANGE_TABLE,
        {"owner": "x", "params": '{"video": {"frames": 6}}'},
        table='studio."RenderJobs"',
        key="jobId",
        status="State",
        prompt_id="comfyUIJobId",
        filled=("resultPath", "finishedAt"),
        error="failureReason",
        words={"completed": "DONE", "failed": "ERROR"},
        longer={"owner": "x", "params": '{"video": {"frames": 7}}'},
    ),
}


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output") as simulator:
        yield simulator


class Application:
    """Whoever made the table: inserts rows, submits prompts, reads what became of them."""

    def __init__(self, url: str, table: Strange, gpu: Simulator) -> None:
        self.rows, self.table, self.gpu = Rows(url), table, gpu

    def submit(self, key: str, outcome: Outcome, new_row: Mapping[str, Any] | None = None) -> str:
        """A row and its prompt; returns the row's key."""
        table, graph = self.table, render_graph(outcome, frames=6, width=64, height=64)
        new = dict(new_row or table.new_row)
        if any(c["name"] == "id" and c["type"] == "text" for c in self._columns()):
            new["id"] = key
        if table.prompt_id is not None:
            new[table.prompt_id] = self.gpu.submit(graph)
        names = ", ".join(f'"{name}"' for name in new)
        made = self.rows.sql(
            f"insert into {table.table} ({names}) values ({', '.join(['%s'] * len(new))})"
            f' returning "{table.key}"::text as key',
            *new.values(),
        )[0]["key"]
        if table.prompt_id is None:
            self.gpu.submit(graph, job_id=made)
        return str(made)

    def ended(self, key: str, word: str) -> dict[str, Any]:
        """The row, once it says so."""

        def row() -> dict[str, Any] | None:
            where = f'select * from {self.table.table} where "{self.table.key}"::text = %s'
            found = self.rows.sql(where, key)[0]
            return found if found[self.table.status] == word else None

        return wait_for(row, f"row {key} says {word}")

    def _columns(self) -> list[dict[str, Any]]:
        return self.rows.sql(
            "select attname::text as name, atttypid::regtype::text as type from pg_attribute"
            " where attrelid = %s::regclass and attnum > 0",
            self.table.table,
        )


@pytest.mark.parametrize("name", TABLES)
def test_rows_end_in_their_own_words(
    name: str, database: str, gpu: Simulator, tmp_path: Path
) -> None:
    table = TABLES[name]
    run_sql(database, table.ddl)
    config = write_config(tmp_path, database, gpu)
    done = reconciler("adopt", "--yes", "--config", config)
    assert done.returncode == 0, done.stdout + done.stderr
    application = Application(database, table, gpu)
    with running(config):
        good = application.submit("good", Outcome.SUCCESS)
        bad = application.submit("bad", Outcome.ERROR)
        short = table.longer and application.submit("short", Outcome.SUCCESS, table.longer)
        completed = application.ended(good, table.words["completed"])
        failed = application.ended(bad, table.words["failed"])
        cut = short and application.ended(short, table.words["failed"])
    assert all(completed[column] is not None for column in table.filled), completed
    if table.error is not None:
        assert failed[table.error].startswith("execution_error")
        assert completed[table.error] is None
    assert "updated_at" not in completed or "updated_at" in table.filled, "none was added"
    if cut:
        assert cut[str(table.error)].startswith("invalid_output: ")
        assert len(cut[str(table.error)]) == 20  # as much as the column takes; the story has it all
        told = application.rows.sql("select reason from reconciler.job_state")
        assert any("6 of 7 frames" in (each["reason"] or "") for each in told), told


def test_a_guest_of_the_database(database: str, gpu: Simulator, tmp_path: Path) -> None:
    """Who may create nothing but in a schema of their own, and write only what is needed."""
    name = urlsplit(database).path[1:]
    run_sql(
        database,
        f"{WITH_TRIGGER.ddl} create role adopted_guest login password 'secret';"
        " create schema sandbox authorization adopted_guest;"
        " grant select, update (status, progress, output_path, error, completed_at, updated_at,"
        " comfyui_job_id) on production_jobs to adopted_guest;"
        f' revoke create on database "{name}" from public',
    )
    parts = urlsplit(database)
    login = f"adopted_guest:secret@{parts.hostname}:{parts.port}"
    try:
        config = write_config(tmp_path, parts._replace(netloc=login).geturl(), gpu)
        done = reconciler("adopt", "--yes", "--config", config)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "secret" not in done.stdout + done.stderr
        application = Application(database, TABLES["with_trigger"], gpu)
        with running(config):
            application.ended(application.submit("good", Outcome.SUCCESS), "completed")
        told = application.rows.sql("select count(*) from sandbox.events")
        assert told[0]["count"] > 0
    finally:
        run_sql(database, "drop owned by adopted_guest; drop role adopted_guest")
