"""Keys, statuses and columns of every type that tables have: a job in each ends, and its row says
so in the table's own way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import TableError
from tests.integration.reconciling import error, success
from tests.integration.tables import play, stage, wipe

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
CAPITALS = {
    "queued": ["PENDING", "WAITING"],
    "processing": "running",
    "completed": "done",
    "failed": "error",
    "cancelled": "Cancelled",
}


@pytest.fixture
def url(module_database: str) -> Iterator[str]:
    wipe(module_database)
    yield module_database


def made_of(**columns: str) -> str:
    """The least table, with these columns in another way, or added."""
    all_columns = {
        "id": "serial primary key",
        "comfyui_job_id": "text",
        "status": "text default 'queued'",
        **columns,
    }
    parts = ", ".join(f"{name} {kind}" for name, kind in all_columns.items() if kind)
    return f"create table production_jobs ({parts})"


KEYS = {
    "serial": ("serial primary key", None),
    "bigint": ("bigint generated always as identity primary key", None),
    "uuid": ("uuid primary key default gen_random_uuid()", None),
    "text": ("text primary key", "shot 12/b, 'final'"),
    "char": ("char(40) primary key", "padded"),
    "numeric": ("numeric(20) primary key", 12345678901234567890),
    "domain": ("job_key primary key", "k-1"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key(url: str, tmp_path: Path, kind: str) -> None:
    key, value = KEYS[kind]
    ddl = "create domain job_key as text check (value like 'k-%'); " + made_of(id=key)
    with stage(url, tmp_path, ddl) as bench:
        job = play(bench, "completed", **({} if value is None else {"id": value}))
        assert bench.word(job) == "completed"
        assert [view.id for view in bench.store.pages.listing(1)] == [job]
        assert bench.store.views.known([job, "no such key", "-1"]).keys() == {job}


STATUSES = {
    "varchar with a CHECK": (
        "varchar(20) not null default 'PENDING'"
        " check (status in ('PENDING', 'WAITING', 'running', 'done', 'error', 'Cancelled'))"
    ),
    "an enumeration": "job_status not null default 'PENDING'",
    "a domain": "status_word not null default 'PENDING'",
}
ENUM = (
    "create type job_status as enum"
    " ('PENDING', 'WAITING', 'running', 'done', 'error', 'Cancelled');"
)
DOMAIN = (
    "create domain status_word as text"
    " check (value in ('PENDING', 'WAITING', 'running', 'done', 'error', 'Cancelled'));"
)


@pytest.mark.parametrize("kind", STATUSES)
def test_statuses_in_other_words(url: str, tmp_path: Path, kind: str) -> None:
    ddl = ENUM + DOMAIN + made_of(status=STATUSES[kind], error="text")
    with stage(url, tmp_path, ddl, {"statuses": CAPITALS}) as bench:
        ends = {ending: play(bench, ending) for ending in ("completed", "failed", "cancelled")}
        assert {ending: bench.word(job) for ending, job in ends.items()} == {
            "completed": "done",
            "failed": "error",
            "cancelled": "Cancelled",
        }
        waiting = bench.insert(status="WAITING")
        bench.passes(2)
        assert bench.word(waiting) == "WAITING", "a word of the same meaning stays"
        views = {view.id: (view.status, view.word) for view in bench.store.views.all()}
        assert views[waiting] == ("queued", "WAITING")
        assert views[ends["failed"]] == ("failed", "error")


def test_no_word_for_cancelled(url: str, tmp_path: Path) -> None:
    ddl = made_of(status="text default 'queued' check (status <> 'cancelled')", error="text")
    with stage(url, tmp_path, ddl, {"statuses": {"cancelled": []}}) as bench:
        job = play(bench, "cancelled")
        row, view = bench.row(job), bench.store.views.one(job)
        assert row["status"] == "failed"
        assert row["error"].startswith("cancelled: ")
        assert view is not None
        assert view.reason == row["error"]
        kinds = bench.kinds(job)
        bench.passes(3)
        assert bench.kinds(job) == kinds, "it is nobody's change"


def test_an_enumeration_without_cancelled(url: str, tmp_path: Path) -> None:
    words = "create type s as enum ('queued', 'processing', 'completed', 'failed');"
    with stage(url, tmp_path, words + made_of(status="s default 'queued'")) as bench:
        assert bench.word(play(bench, "cancelled")) == "failed"


def test_an_enumeration_that_lacks_a_word(url: str, tmp_path: Path) -> None:
    words = "create type s as enum ('PENDING', 'processing', 'completed', 'failed');"
    ddl = words + made_of(status="s default 'PENDING'")
    with (
        pytest.raises(TableError, match=r"does not know: queued.*ADD VALUE 'queued'"),
        stage(url, tmp_path, ddl),
    ):
        pass


def test_a_prompt_id_under_another_name_and_of_type_uuid(url: str, tmp_path: Path) -> None:
    ddl = made_of(comfyui_job_id="", prompt_id="uuid unique")
    with stage(url, tmp_path, ddl, {"columns": {"prompt_id": "prompt_id"}}) as bench:
        assert bench.word(play(bench, "completed")) == "completed"
        tagged = bench.insert()
        bench.server.run(P1, job_id=tagged)
        bench.passes(2)
        assert bench.row(tagged)["prompt_id"] == P1, "filled in"
        # One that is no uuid can be nobody's there: that row alone is in trouble.
        other = bench.insert()
        bench.server.run("not-a-uuid", job_id=other)
        report = bench.run_pass()
        assert report.troubled == {other}


PROGRESS = {
    "integer percent": ("integer default 0", "percent"),
    "smallint": ("smallint", "percent"),
    "float percent": ("float default 0", "percent"),
    "numeric percent": ("numeric(5,2)", "percent"),
    "float fraction": ("float default 0", "fraction"),
    "real fraction": ("real", "fraction"),
    "numeric fraction": ("numeric(3,2)", "fraction"),
}


@pytest.mark.parametrize("kind", PROGRESS)
def test_progress(url: str, tmp_path: Path, kind: str) -> None:
    column, unit = PROGRESS[kind]
    with stage(url, tmp_path, made_of(progress=column), {"progress": unit}) as bench:
        job = bench.insert(comfyui_job_id=P1)
        bench.server.run(P1, graph_nodes=2)
        bench.run_pass()
        bench.live.progress(P1, "3", 40, 100)
        bench.run_pass()
        (record,) = bench.store.jobs.open_jobs(late_s=0)
        assert record.progress == record.row_progress
        assert record.progress
        whole = 1.0 if unit == "fraction" else 100.0
        shown = float(bench.row(job)["progress"])
        assert shown == pytest.approx(whole * record.progress / 100)
        before = bench.sql("select xmin::text as version from production_jobs")
        bench.run_pass()
        assert bench.sql("select xmin::text as version from production_jobs") == before
        view = bench.store.views.one(job)
        assert view is not None
        assert view.progress == record.progress


def test_a_progress_that_is_no_number_is_not_written(url: str, tmp_path: Path) -> None:
    with stage(url, tmp_path, made_of(progress="text default 'just begun'")) as bench:
        job = play(bench, "completed")
        assert bench.row(job)["progress"] == "just begun"
        assert "progress" in bench.table.missing()


ERRORS = {
    "short": ("varchar(30)", "execution_error: RuntimeError:"[:30]),
    "not null": ("text not null default ''", None),
    "jsonb": ("jsonb", None),
    "json": ("json", None),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_errors(url: str, tmp_path: Path, kind: str) -> None:
    with stage(url, tmp_path, made_of(error=ERRORS[kind][0])) as bench:
        job = play(bench, "failed")
        said = bench.row(job)["error"]
        assert said.startswith("execution_error: "[: len(said)])
        assert bench.word(job) == "failed"
        view = bench.store.views.one(job)
        assert view is not None
        assert view.error == said
        assert bench.word(play(bench, "completed")) == "completed"


def test_a_path_that_does_not_fit_is_not_cut(url: str, tmp_path: Path) -> None:
    """Half a path is another file: the job is left as it was, and others are not."""
    with stage(url, tmp_path, made_of(output_path="varchar(60)")) as bench:
        job = bench.insert(comfyui_job_id=P1)
        other = bench.insert(comfyui_job_id=P2)
        bench.server.end(P1, success(bench.image("long" * 20 + ".png")))
        bench.server.end(P2, error())
        bench.passes(4)
        assert bench.word(job) == "processing"
        assert bench.word(other) == "failed"
        assert bench.run_pass().troubled == {job}


INSIDE = {"frames": {"column": "parameters", "path": ["video", "frames"]}}


@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_frames_inside_parameters(url: str, tmp_path: Path, kind: str) -> None:
    with stage(url, tmp_path, made_of(parameters=kind), {"columns": INSIDE}) as bench:
        texts = {
            72: '{"video": {"frames": 72}}',
            81: '{"video": {"frames": "81"}, "prompt": "\\ud83c\\udf03 a street"}',
            None: '{"video": [1, 2]}',
        }
        jobs = {bench.insert(parameters=text): frames for frames, text in texts.items()}
        records = bench.store.jobs.open_jobs(late_s=0)
        assert {record.job.id: record.job.frames for record in records} == jobs
        assert {v.id: v.frames for v in bench.store.views.all()} == jobs


def test_json_that_postgres_cannot_read_hides_no_other_row(url: str, tmp_path: Path) -> None:
    with stage(url, tmp_path, made_of(parameters="json"), {"columns": INSIDE}) as bench:
        whole = bench.insert(parameters='{"video": {"frames": 72}}')
        for broken in ("\\u0000", "\\ud83c"):
            bench.insert(parameters=f'{{"video": {{"frames": 9}}, "x": "{broken}"}}')
        records = bench.store.jobs.open_jobs(late_s=0)
        assert len(records) == 3
        assert [r.job.frames for r in records if r.job.id == whole] == [72]


def test_a_prompt_id_inside_parameters_is_only_read(url: str, tmp_path: Path) -> None:
    inside = {"prompt_id": {"column": "parameters", "path": ["prompt_id"]}}
    ddl = made_of(comfyui_job_id="", parameters="jsonb")
    with stage(url, tmp_path, ddl, {"columns": inside}) as bench:
        named = bench.insert(parameters=f'{{"prompt_id": "{P1}"}}')
        tagged = bench.insert(parameters="{}")
        bench.server.end(P1, success(bench.image("a.png")))
        bench.server.run(P2, job_id=tagged)
        bench.passes(4)
        assert (bench.word(named), bench.word(tagged)) == ("completed", "processing")
        assert bench.row(tagged)["parameters"] == {}
        version = "select xmin::text as version from production_jobs order by id"
        before = bench.sql(version)
        assert bench.run_pass().conflicts == 0
        assert bench.sql(version) == before, "nothing to fill in, so nothing is written"


def test_the_server_that_a_row_names(url: str, tmp_path: Path) -> None:
    with stage(
        url, tmp_path, made_of(host="text"), {"columns": {"server": "host"}}, names=("one", "two")
    ) as bench:
        job = bench.insert(host="two")
        (record,) = bench.store.jobs.open_jobs(late_s=0)
        assert record.row_server == "two"
        assert bench.store.jobs.open_jobs(late_s=0, servers=["one"]) == []
        assert [r.job.id for r in bench.store.jobs.open_jobs(late_s=0, servers=["two"])] == [job]
        anywhere = bench.insert()
        assert [r.job.id for r in bench.store.jobs.open_jobs(late_s=0, servers=[])] == [anywhere]


def test_columns_that_nobody_told_us_of(url: str, tmp_path: Path) -> None:
    """NOT NULL without a default concerns whoever inserts: we never do. Computed ones are left."""
    ddl = made_of(
        project="varchar not null",
        updated_at="timestamptz generated always as (null::timestamptz) stored",
    )
    with stage(url, tmp_path, ddl) as bench:
        assert bench.word(play(bench, "completed", project="tokyo")) == "completed"
        assert not bench.table.takes("updated_at")


WRONG: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "a column that is not there": (
        {"columns": {"error": "oops"}},
        r"jobs\.columns\.error names the column oops, which is not there.*set it to false",
    ),
    "the inside of nothing": (
        {"columns": {"frames": {"column": "oops", "path": ["a"]}}},
        r"jobs\.columns\.frames looks inside oops, which is not there",
    ),
    "the inside of a text": (
        {"columns": {"frames": {"column": "status", "path": ["a"]}}},
        r"looks inside status, which is text and not json",
    ),
    "a text for a time": (
        {"columns": {"completed_at": "status"}},
        r"names status, which is text and none of date, timestamp",
    ),
    "fractions in whole numbers": (
        {"columns": {"progress": "id"}, "progress": "fraction"},
        r"its id holds whole numbers.*set jobs\.progress to percent",
    ),
    "a key of another name": ({"columns": {"id": "key"}}, r"lacks the column key \(it has: "),
}


@pytest.mark.parametrize("what", WRONG)
def test_settings_that_do_not_fit(url: str, tmp_path: Path, what: str) -> None:
    mapping, words = WRONG[what]
    with pytest.raises(TableError, match=words), stage(url, tmp_path, made_of(), mapping):
        pass


def test_a_described_table_is_not_made(url: str, tmp_path: Path) -> None:
    with (
        pytest.raises(TableError, match="there is no table production_jobs"),
        stage(url, tmp_path, "", {"columns": {"prompt_id": "prompt_id"}}),
    ):
        pass
