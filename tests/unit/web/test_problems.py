"""Errors as programs are told them."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Query
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse

from reconciler.errors import DatabaseError
from reconciler.web.problems import MEDIA_TYPE, BadParameter, handle_problems


def app_of_trouble() -> FastAPI:
    app = FastAPI()
    handle_problems(app)

    @app.get("/database")
    def database() -> None:
        raise DatabaseError("database postgresql://app:***@db: it is away")

    @app.get("/defect")
    def defect() -> None:
        raise RuntimeError("secret internals")

    @app.get("/none")
    def none() -> None:
        raise HTTPException(404, "there is no job '7'")

    @app.get("/limit")
    def limit(limit: int = Query(50, ge=1, le=500)) -> int:
        return limit

    @app.get("/cursor")
    def cursor() -> None:
        raise BadParameter("cursor", "it is none of ours")

    return app


@pytest.fixture
def client() -> TestClient:
    return TestClient(app_of_trouble(), raise_server_exceptions=False)


def problem(client: TestClient, path: str, status: int) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    told: dict[str, Any] = answer.json()
    assert told["type"] == "about:blank"
    assert told["title"]
    return told


def test_an_unknown_path_is_a_problem(client: TestClient) -> None:
    told = problem(client, "/nowhere", 404)
    assert told["title"] == "Not Found"
    assert told["detail"] == "There is nothing at this path."


def test_what_an_endpoint_says_is_told(client: TestClient) -> None:
    assert problem(client, "/none", 404)["detail"] == "there is no job '7'"


def test_a_database_that_is_away_is_a_503_that_says_when_to_ask_again(client: TestClient) -> None:
    assert "it is away" in problem(client, "/database", 503)["detail"]
    assert int(client.get("/database").headers["retry-after"]) > 0


def test_a_defect_tells_nothing_of_the_inside(client: TestClient) -> None:
    assert "secret" not in str(problem(client, "/defect", 500))


def test_each_bad_parameter_is_named(client: TestClient) -> None:
    told = problem(client, "/limit?limit=501", 422)
    (error,) = told["errors"]
    assert (error["in"], error["name"]) == ("query", "limit")
    assert "500" in error["detail"]
    assert "limit" in told["detail"]
    assert problem(client, "/cursor", 422)["errors"][0]["name"] == "cursor"


def test_another_method_is_a_problem_that_names_the_right_one(client: TestClient) -> None:
    answer = client.post("/limit")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == MEDIA_TYPE


def test_whoever_wants_a_page_gets_one(client: TestClient) -> None:
    app = app_of_trouble()
    app.state.problem_page = lambda request, problem: (
        PlainTextResponse(f"page: {problem.title}", problem.status)
        if "text/html" in request.headers.get("accept", "")
        else None
    )
    client = TestClient(app)
    assert client.get("/nowhere", headers={"accept": "text/html"}).text == "page: Not Found"
    assert client.get("/nowhere").headers["content-type"] == MEDIA_TYPE
