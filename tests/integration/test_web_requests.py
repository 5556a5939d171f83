"""POST /api/v1/jobs/{id}/{action}, and what the answers say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from reconciler.comfyui.values import QueuedPrompt
from reconciler.settings import Settings
from reconciler.store import open_store
from reconciler.store.output_ids import output_id
from reconciler.web.app import create_app
from reconciler.web.context import WebContext
from reconciler.web.database import Stores
from tests.integration.reconciling import Bench
from tests.integration.web.serving import token_of
from tests.waiting import wait_for

P1 = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def web(bench: Bench) -> Iterator[TestClient]:
    stores = Stores(lambda: open_store(bench.url, create=False))
    client = TestClient(create_app(WebContext(Settings(), stores)), "http://127.0.0.1:8328")
    client.headers["Authorization"] = f"Bearer {token_of(bench.url, 'operator', 'ana')}"
    yield client
    client.close()
    stores.close()


def waiting_job(bench: Bench) -> str:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.pending = [QueuedPrompt(P1, 1.0)]
    bench.run_pass()
    return job


def test_what_was_asked_is_found_again_with_its_answer(bench: Bench, web: TestClient) -> None:
    job = waiting_job(bench)
    answer = web.post(f"/api/v1/jobs/{job}/cancel")
    assert answer.status_code == 202
    assert answer.json() | {"asked_at": "", "id": 0} == {
        "id": 0,
        "job_id": job,
        "action": "cancel",
        "asked_by": "ana",
        "asked_at": "",
        "answered_at": None,
        "outcome": None,
        "answer": None,
    }
    bench.passes(2)
    told = web.get(answer.headers["location"]).json()
    assert (told["outcome"], told["answer"]) == ("done", "cancelled")
    assert web.get(f"/api/v1/jobs/{job}/requests").json() == [told]


def test_who_waits_gets_the_answer(bench: Bench, web: TestClient) -> None:
    job = waiting_job(bench)

    def reconcile() -> None:
        wait_for(bench.store.requests.open, "something is asked")
        bench.passes(2)

    passes = threading.Thread(target=reconcile)
    passes.start()
    told = web.post(f"/api/v1/jobs/{job}/cancel", params={"wait_s": 10}).json()
    passes.join()
    assert told["outcome"] == "done"


def test_several_jobs_at_once_and_one_that_is_not_there(bench: Bench, web: TestClient) -> None:
    job = waiting_job(bench)
    body = {"action": "recheck", "job_ids": [job, "999", job]}
    told = web.post("/api/v1/jobs/bulk", json=body).json()["requests"]
    assert [(one["job_id"], one["outcome"]) for one in told] == [(job, None), ("999", "refused")]
    assert told[1]["answer"] == "there is no job '999'"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/jobs/999/cancel", 404),
        ("/api/v1/jobs/no-number/cancel", 404),
        (f"/api/v1/jobs/{'9' * 60}/cancel", 404),
        ("/api/v1/jobs/1/explode", 422),
        (f"/api/v1/jobs/{'x' * 300}/cancel", 422),
        ("/api/v1/jobs/1/cancel?wait_s=1000", 422),
        ("/api/v1/jobs/a%00b/cancel", 404),
    ],
)
def test_what_cannot_be_asked(bench: Bench, web: TestClient, path: str, status: int) -> None:
    answer = web.post(path)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "cancel", "job_ids": []},
        {"action": "cancel", "job_ids": ["1"] * 501},
        {"action": "cancel"},
        {"action": "cancel", "job_ids": ["1"], "more": 1},
        {"action": "drop table", "job_ids": ["1"]},
    ],
)
def test_what_cannot_be_asked_of_several(
    bench: Bench, web: TestClient, body: dict[str, object]
) -> None:
    assert web.post("/api/v1/jobs/bulk", json=body).status_code == 422


def test_an_orphan_is_forgotten_and_shown_again(bench: Bench, web: TestClient) -> None:
    bench.image("nobodys.png")
    book = next(iter(bench.gatherer.servers.values())).book
    book.look_up(bench.root / "nobodys.png")
    bench.settle()
    orphan = output_id(bytes(bench.root / "nobodys.png"))
    unknown = "0" * 32
    body = {"ids": [orphan, unknown]}
    assert web.post("/api/v1/orphans/forget", json=body).json() == {"ids": [orphan]}
    assert bench.store.outputs.orphans(None) == ([], 0)
    web.post("/api/v1/orphans/forget", json=body | {"forgotten": False})
    assert bench.store.outputs.orphans(None)[1] == 1
    web.post("/api/v1/orphans/forget", json=body)
    bench.image("nobodys.png", color="blue")
    book.look_up(bench.root / "nobodys.png")
    bench.settle()
    assert bench.store.outputs.orphans(None)[1] == 1
    assert web.post("/api/v1/orphans/forget", json={"ids": ["../etc"]}).status_code == 422


def test_who_only_reads_asks_for_nothing(bench: Bench, web: TestClient) -> None:
    job = waiting_job(bench)
    web.headers["Authorization"] = f"Bearer {token_of(bench.url, 'reader')}"
    assert web.post(f"/api/v1/jobs/{job}/cancel").status_code == 403
    assert bench.store.requests.open() == []
    assert web.get(f"/api/v1/jobs/{job}/requests").json() == []


def test_a_request_that_is_not_there(bench: Bench, web: TestClient) -> None:
    assert web.get("/api/v1/requests/999").status_code == 404
    assert web.get(f"/api/v1/requests/{2**63}").status_code == 422
