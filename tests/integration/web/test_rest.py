"""REST over a real Postgres: jobs, their stories and files, servers, agents, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from fastapi.testclient import TestClient

from reconciler.core.evidence import FileState
from reconciler.store.agents import AgentStore, Identity
from reconciler.store.outputs import OutputRecord
from reconciler.store.records import Event
from tests.integration.commands import Stage
from tests.integration.conftest import execute
from tests.integration.web.rest import client_of, get, problem

JOBS = "/api/v1/jobs"


@pytest.fixture
def stage(database: str) -> Iterator[Stage]:
    stage = Stage(database)
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def empty(module_database: str) -> Iterator[TestClient]:
    """A client where there is nothing."""
    Stage(module_database).close()
    with client_of(module_database) as client:
        yield client


@pytest.fixture
def client(stage: Stage) -> Iterator[TestClient]:
    with client_of(stage.url) as client:
        yield client


def listed(client: TestClient, **params: Any) -> list[str]:
    return [job["id"] for job in get(client, JOBS, **params)["items"]]


def output(stage: Stage, path: bytes, job_id: str | None, **known: Any) -> None:
    record = OutputRecord(
        path=Path(path.decode(errors="surrogateescape")),
        server="gpu",
        size_bytes=10,
        mtime_ns=20,
        inode=30,
        inspection={"media": "image", "frames": 1, "size_bytes": 10, "mtime_ns": 20, "inode": 30},
        verdict=FileState.SOUND,
        job_id=job_id,
    )
    stage.store.outputs.save(record)


def test_a_job_is_told_with_all_that_is_known_of_it(stage: Stage, client: TestClient) -> None:
    stage.server("gpu", version="0.33.0")
    row = {"comfyui_job_id": "p1", "frames": 72, "job_type": "video"}
    job_id = stage.known("processing", row, server="gpu", progress=41, eta_s=96.0, reason="runs")
    stage.prompt(job_id, "p1")
    output(stage, b"/out/a.png", job_id)
    told = get(client, f"{JOBS}/{job_id}")
    assert told["id"] == job_id
    assert (told["status"], told["progress"], told["eta_s"]) == ("processing", 41, 96.0)
    assert told["prompts"][0]["prompt_id"] == "p1"
    (expected,) = told["expected"]
    assert expected == {"wanted": "72 frames", "by": "the row", "found": None, "met": None}
    assert told["server_seen"]["version"] == "0.33.0"
    (file,) = told["outputs"]
    assert (file["path"], file["sound"], file["frames"]) == ("/out/a.png", True, 1)
    assert get(client, f"{JOBS}/{job_id}/outputs")["items"] == [file]


def test_jobs_are_filtered_by_all_that_can_be_asked(stage: Stage, client: TestClient) -> None:
    film = stage.known("completed", {"job_type": "film", "output_path": "/out/Film.mp4"})
    lost = stage.known("failed", {"job_type": "image"}, failure="lost", server="gpu2")
    open_ = stage.known("queued", server="gpu1")
    assert listed(client) == [open_, lost, film]
    assert listed(client, status=["queued", "failed"]) == [open_, lost]
    assert listed(client, type="film") == [film]
    assert listed(client, server=["gpu1", "gpu2"], sort="id", order="asc") == [lost, open_]
    assert listed(client, failure="lost") == [lost]
    assert listed(client, q="film.mp4") == [film]
    assert listed(client, created_after="2999-01-01") == []
    assert listed(client, created_before="2999-01-01T00:00:00+02:00", status="queued") == [open_]
    assert listed(client, ended_after="2020-01-01", sort="id") == [lost, film]


def test_pages_follow_each_other(stage: Stage, client: TestClient) -> None:
    there = [stage.known("completed") for _ in range(5)]
    found: list[str] = []
    params: dict[str, Any] = {"limit": 2, "sort": "id", "order": "asc"}
    while True:
        page = get(client, JOBS, **params)
        found += [job["id"] for job in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert found == there


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"limit": 501}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "9" * 40}, "limit"),
        ({"status": "done"}, "status.0"),
        ({"stauts": "queued"}, "stauts"),
        ({"failure": "x"}, "failure.0"),
        ({"sort": "name"}, "sort"),
        ({"order": "up"}, "order"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "é" * 50}, "cursor"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"q": "x" * 201}, "q"),
        ({"server": ["x"] * 51}, "server"),
        ({"type": "\0"}, "type.0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(
    empty: TestClient, params: dict[str, Any], name: str
) -> None:
    told = problem(empty, JOBS, 422, **params)
    assert [error["name"] for error in told["errors"]] == [name]


@pytest.mark.parametrize("job_id", ["4711", "abc", "9" * 50, "1/2", "%00", "ü", "-1", "1 or 1=1"])
@pytest.mark.parametrize("path", ["", "/events", "/outputs", "/requests"])
def test_no_such_job(empty: TestClient, job_id: str, path: str) -> None:
    assert "job" in problem(empty, f"{JOBS}/{quote(job_id, safe='%')}{path}", 404)["detail"]
    problem(empty, f"/api/anime/jobs/{quote(job_id, safe='%')}", 404)


def test_keys_may_be_any_text(database: str) -> None:
    execute(
        database,
        "create table production_jobs (id text primary key, comfyui_job_id text, status text)",
    )
    stage = Stage(database)
    for job_id in ("a/b c", "ü%1", "a?b#c", "..", "a/events"):
        stage.sql("insert into production_jobs values (%s, null, 'queued')", job_id)
    with client_of(database) as client:
        for job_id in ("a/b c", "ü%1", "a?b#c"):
            told = get(client, f"{JOBS}/{quote(job_id, safe='')}")
            assert told["id"] == job_id
            assert get(client, f"{JOBS}/{quote(job_id)}/events")["items"] == []
            assert get(client, f"/api/anime/jobs/{quote(job_id)}/status")["id"] == job_id
    stage.close()


def test_the_story_comes_page_by_page_oldest_first(stage: Stage, client: TestClient) -> None:
    job_id = stage.known("queued")
    for n in range(5):
        stage.tell(job_id, Event("note", f"sentence {n}", evidence={"n": n, "odd": "<b>"}))
    first = get(client, f"{JOBS}/{job_id}/events", limit=3)
    rest = get(client, f"{JOBS}/{job_id}/events", limit=3, cursor=first["next"])
    told = [event["reason"] for event in first["items"] + rest["items"]]
    assert told == [f"sentence {n}" for n in range(5)]
    assert rest["next"] is None
    assert first["items"][1]["evidence"] == {"n": 1, "odd": "<b>"}
    problem(client, f"{JOBS}/{job_id}/events", 422, cursor="nonsense")


def test_files_come_page_by_page_whatever_their_names(stage: Stage, client: TestClient) -> None:
    stage.server("gpu")
    job_id = stage.known("completed")
    names = [b"/out/a.png", b"/out/\xff\xfe.png", "/out/ü\n<b>.png".encode(), b"/out/z.png"]
    for name in names:
        output(stage, name, job_id)
    for path in ("/api/v1/outputs", f"{JOBS}/{job_id}/outputs"):
        found: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": 1}
        while True:
            page = get(client, path, **params)
            found += page["items"]
            if page["next"] is None:
                break
            params["cursor"] = page["next"]
        assert len({file["id"] for file in found}) == len(found) == len(names)
        assert "/out/ü\n<b>.png" in [file["path"] for file in found]
        assert {file["job_id"] for file in found} == {job_id}
        problem(client, path, 422, cursor="nonsense")
    assert get(client, "/api/v1/outputs", verdict="unsound")["items"] == []
    assert get(client, "/api/v1/outputs", server="other")["items"] == []


def test_orphans_come_page_by_page_each_with_why(stage: Stage, client: TestClient) -> None:
    for number in range(3):
        output(stage, b"/out/%d.png" % number, None)
    first = get(client, "/api/v1/orphans", limit=2)
    rest = get(client, "/api/v1/orphans", limit=2, cursor=first["next"])
    found = first["items"] + rest["items"]
    assert sorted(one["path"] for one in found) == [f"/out/{n}.png" for n in range(3)]
    assert all(one["detail"] for one in found)
    assert rest["next"] is None
    assert get(client, "/api/v1/orphans", since="2999-01-01")["items"] == []
    problem(client, "/api/v1/orphans", 422, cursor="nonsense")


def test_servers_and_agents(stage: Stage, client: TestClient) -> None:
    stage.server("gpu", version="0.33.0")
    stage.known("processing", server="gpu")
    stage.known("queued", server="gpu")
    stage.known("queued")
    (server,) = get(client, "/api/v1/servers")
    assert (server["name"], server["processing"], server["queued"]) == ("gpu", 1, 1)
    assert server["agent"] is None
    agents = AgentStore(stage.store.connection)
    agents.note(Identity("gpu1", "0014", ["gpu"]))
    (agent,) = get(client, "/api/v1/agents")
    assert (agent["name"], agent["schema"], agent["servers"]) == ("gpu1", "0014", ["gpu"])
    assert agent["alive"]


def test_jobs_in_numbers(stage: Stage, client: TestClient) -> None:
    waiting = stage.known("queued", rule="pending", server="gpu")
    stage.known("failed", failure="stalled")
    stage.known("completed")
    told = get(client, "/api/v1/stats", hours=2)
    assert told["counts"]["queued"] == told["counts"]["completed"] == 1
    assert told["open"] == [{"status": "queued", "rule": "pending", "server": "gpu", "number": 1}]
    assert told["stalled"] == 1
    assert [job["id"] for job in told["oldest_waiting"]] == [waiting]
    assert sum(one["completed"] for one in told["history"]) == 1
    assert len(told["history"]) == 3
    assert told["durations"] == []
    assert len(get(client, "/api/v1/stats", hours=48, per="day")["history"]) == 3
    problem(client, "/api/v1/stats", 422, hours=0)


def test_the_endpoint_that_was_there_before_tells_more(stage: Stage, client: TestClient) -> None:
    running = stage.known("processing", progress=41, eta_s=9.0)
    waiting = stage.known("queued", queue_position=3)
    failed = stage.known("failed", {"error": "lost: gone"}, failure="lost")
    done = stage.known("completed", {"output_path": "/out/a.mp4", "progress": 100})
    for path in ("/api/anime/jobs/{}", "/api/anime/jobs/{}/status"):
        told = {job: get(client, path.format(job)) for job in (running, waiting, failed, done)}
        assert (told[running]["progress"], told[running]["eta_s"]) == (41, 9.0)
        assert (told[waiting]["status"], told[waiting]["queue_position"]) == ("queued", 3)
        assert (told[failed]["error"], told[failed]["failure"]) == ("lost: gone", "lost")
        assert told[done]["output_path"] == "/out/a.mp4"
        assert (told[done]["status"], told[done]["progress"]) == ("completed", 100)


def test_a_statement_that_takes_too_long_is_told(stage: Stage, client: TestClient) -> None:
    stage.insert()
    stage.sql("alter table production_jobs rename to slow_jobs")
    stage.sql(
        "create view production_jobs as select id, comfyui_job_id, job_type, status, frames,"
        " progress, output_path, error, created_at, updated_at, completed_at, metadata"
        " from slow_jobs where pg_sleep(20) is not null"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reconciler.store.pages.STATEMENT_S", 0.1)
        told = problem(client, JOBS, 503)
    assert "takes longer" in told["detail"]


def test_a_database_that_is_away_is_told_and_comes_back(stage: Stage, client: TestClient) -> None:
    job_id = stage.known("queued")
    get(client, JOBS)
    name = stage.sql("select current_database() as name")[0]["name"]
    other = stage.url.rsplit("/", 1)[0] + "/postgres"
    execute(other, f'alter database "{name}" with allow_connections false')
    execute(
        other, f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
    )
    for path in (JOBS, f"{JOBS}/{job_id}", "/api/v1/servers", "/api/v1/stats"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert str(urlsplit(stage.url).password) not in answer.text
    execute(other, f'alter database "{name}" with allow_connections true')
    assert listed(client) == [job_id]
