"""The whole service over somebody else's table, with our own tables in another database."""

from __future__ import annotations

import json
from pathlib import Path

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.integration.commands import joined, reconciler
from tests.integration.running import Rows, running, write_config
from tests.integration.tables import run_sql
from tests.waiting import wait_for

DDL = """
create type shot_state as enum ('PENDING', 'RUNNING', 'DONE', 'BROKEN');
create table "Shots" (
    "Key" uuid primary key default gen_random_uuid(),
    project varchar not null,
    prompt_id varchar(64),
    state shot_state not null default 'PENDING',
    done numeric(3,2),
    params jsonb,
    result_path text,
    changed timestamp
)"""
JOBS = {
    "columns": {
        "id": "Key",
        "status": "state",
        "prompt_id": "prompt_id",
        "frames": {"column": "params", "path": ["frames"]},
        "progress": "done",
        "output_path": "result_path",
        "updated_at": "changed",
    },
    "statuses": {
        "queued": "PENDING",
        "processing": "RUNNING",
        "completed": "DONE",
        "failed": "BROKEN",
        "cancelled": [],
    },
    "progress": "fraction",
    "timezone": "Europe/Berlin",
}


def test_the_service_and_its_commands(database: str, elsewhere: str, tmp_path: Path) -> None:
    rows = Rows(database)
    run_sql(database, DDL)
    settings = {"url": database, "own_url": elsewhere, "own_schema": "ours", "jobs_table": "Shots"}
    with Simulator(tmp_path / "gpu") as gpu:
        config = write_config(tmp_path, database, gpu, database=settings, jobs=JOBS)
        with running(config):
            # One is told its prompt, the other one's prompt is told its row; it is too short.
            whole = gpu.submit(render_graph(frames=9))
            insert = (
                'insert into "Shots" (project, prompt_id, params)'
                ' values (%s, %s, %s) returning "Key"::text as key'
            )
            first = str(rows.sql(insert, "tokyo", whole, '{"frames": 9}')[0]["key"])
            second = str(rows.sql(insert, "tokyo", None, '{"frames": 12}')[0]["key"])
            gpu.submit(render_graph(frames=9, seed=1), job_id=second)

            def says(key: str) -> dict[str, object]:
                return rows.sql('select * from "Shots" where "Key"::text = %s', key)[0]

            wait_for(lambda: says(first)["state"] == "DONE", "the whole one is done")
            wait_for(lambda: says(second)["state"] == "BROKEN", "the short one is broken")
            done, broken = says(first), says(second)
            assert str(done["result_path"]).endswith(".mp4")
            assert float(str(done["done"])) == 1.0
            assert broken["prompt_id"] is not None
            assert broken["changed"] is not None
            told = ("--config", str(config))
            one = json.loads(reconciler("status", second, "--json", *told).stdout)
            assert (one["status"], one["row_status"]) == ("failed", "BROKEN")
            assert "9 of 12 frames" in one["reason"]
            assert "row says BROKEN" in joined(reconciler("status", second, *told).stdout)
            assert "completed" in reconciler("status", *told).stdout
            story = joined(reconciler("explain", second, *told).stdout)
            assert "9 of 12 frames" in story
            examined = reconciler("doctor", *told)
            assert "ours: revision" in joined(examined.stdout)
            assert "no word for cancelled" in joined(examined.stdout)
