"""One row, one prompt or one answer that makes trouble: the others must not wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from reconciler.comfyui.values import EndedPrompt, QueuedPrompt
from reconciler.errors import ServerAnswer
from tests.integration.reconciling import Bench, error, listed, success

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


def table(url: str, columns: str) -> None:
    """A jobs table that was there before us."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"create table production_jobs ({columns}, updated_at timestamptz)")


def test_a_row_that_its_worker_keeps_locked_holds_up_no_other(bench: Bench) -> None:
    held, other = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.end(P1, error())
    bench.server.end(P2, error())
    with closing(psycopg2.connect(bench.url)) as worker, worker.cursor() as cursor:
        cursor.execute("select * from production_jobs where id::text = %s for update", (held,))
        report = bench.run_pass()
        assert report.conflicts == 1
        assert bench.says(other) == ("failed", "execution_error")
        assert bench.says(held)[0] == "queued"
        worker.commit()
    bench.run_pass()
    assert bench.says(held) == ("failed", "execution_error")


def test_a_locked_row_learns_its_prompt_later(bench: Bench) -> None:
    job = bench.insert()
    bench.server.run(P1, job_id=job)
    with closing(psycopg2.connect(bench.url)) as worker, worker.cursor() as cursor:
        cursor.execute("select * from production_jobs for update")
        bench.run_pass()
        worker.commit()
    bench.passes(2)
    row = bench.row(job)
    assert (row["status"], row["comfyui_job_id"]) == ("processing", P1)


def test_a_prompt_id_that_the_table_refuses_holds_up_no_other(
    database: str, tmp_path: Path
) -> None:
    table(
        database, "id serial primary key, comfyui_job_id text unique, status text default 'queued'"
    )
    bench = Bench(database, tmp_path)
    bench.insert(comfyui_job_id=P1, status="completed")  # never seen: it was there before us
    job, other = bench.insert(status="queued"), bench.insert(comfyui_job_id=P2)
    bench.server.run(P1, job_id=job)
    bench.server.end(P2, error())
    bench.passes(2)
    assert bench.row(other)["status"] == "failed"
    bench.close()


def test_a_row_without_a_status_is_left_alone(bench: Bench) -> None:
    job, other = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.run(P1)
    bench.run_pass()
    bench.sql("alter table production_jobs alter status drop not null")
    bench.sql("update production_jobs set status = null where id::text = %s", job)
    bench.server.end(P2, error())
    bench.passes(2)
    assert bench.says(other) == ("failed", "execution_error")
    assert bench.row(job)["status"] is None


def test_an_empty_prompt_id_is_none(bench: Bench) -> None:
    job, other = bench.insert(comfyui_job_id=""), bench.insert(comfyui_job_id="")
    bench.run_pass()
    assert not any(asked.startswith("ending") for asked in bench.server.asked)
    bench.server.run(P1, job_id=job)
    bench.server.pending = [QueuedPrompt(P2, 2.0, job_id=other)]
    bench.passes(2)
    assert [bench.row(j)["comfyui_job_id"] for j in (job, other)] == [P1, P2]
    assert bench.says(job)[0] == "processing"


def test_an_answer_that_is_none_about_one_prompt_holds_up_no_other(bench: Bench) -> None:
    bad, good = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.end(P2, error())
    ending = bench.server.ending

    def broken(prompt_id: str) -> EndedPrompt | None:
        if prompt_id == P1:
            raise ServerAnswer("500: this entry cannot be serialised")
        return ending(prompt_id)

    bench.server.ending = broken  # type: ignore[method-assign]
    bench.passes(6)
    assert bench.says(good) == ("failed", "execution_error")
    assert bench.says(bad) == ("queued", None)
    assert bench.store.servers.all()[0].unreachable_since is None, "it answers all others"


def test_keys_of_fixed_length(database: str, tmp_path: Path) -> None:
    table(
        database,
        "id char(36) primary key, comfyui_job_id char(36), status varchar(10) default 'queued'",
    )
    bench = Bench(database, tmp_path)
    bench.insert(id="a-key-shorter-than-its-column", comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.sql("select status from production_jobs")[0]["status"] == "completed"
    bench.close()


def test_frames_of_any_kind_of_number(database: str, tmp_path: Path) -> None:
    table(
        database,
        "id serial primary key, comfyui_job_id text, status text default 'queued',"
        " error text, frames numeric",
    )
    bench = Bench(database, tmp_path)
    job = bench.insert(comfyui_job_id=P1, frames=72)
    bench.server.run(P1)
    bench.run_pass()
    assert bench.says(job) == ("processing", None)
    bench.close()


@pytest.mark.parametrize("ended_at", [-1e15, -1.0, 1.7e15, 1e300])
def test_an_end_at_an_impossible_time_holds_up_no_other(bench: Bench, ended_at: float) -> None:
    odd, other = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.end(P1, error(started_at=ended_at - 5.0, ended_at=ended_at))
    bench.server.end(P2, error())
    bench.run_pass()
    assert bench.says(odd) == bench.says(other) == ("failed", "execution_error")
    (run,) = bench.sql(
        "select abs(extract(epoch from now() - ended_at)) as off from reconciler.runs"
    )
    assert run["off"] < 60, "it is noted as of now"


def test_a_prompt_that_postgres_refuses_holds_up_no_other(bench: Bench) -> None:
    odd, other = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.run(P1, output_nodes=2**40)
    bench.server.end(P2, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(other) == ("completed", None)
    bench.server.end(P1, error(files=(listed("b\0.png"),)))
    bench.passes(2)
    assert bench.says(odd) == ("failed", "execution_error")
