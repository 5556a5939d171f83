"""Pages that are asked for odd things: each is answered, and none by a 500."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from reconciler.store import open_store
from tests.integration.web.rest import client_of


@pytest.fixture(scope="module")
def client(module_database: str) -> Iterator[TestClient]:
    """An application whose tables are empty."""
    open_store(module_database).close()
    with client_of(module_database) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jobs/1", 404),
        ("/jobs/%00", 404),
        ("/jobs/99999999999999999999999", 404),
        ("/jobs/a%2Fb/%3Cscript%3E", 404),
        (f"/jobs/{'x' * 3000}", 404),
        ("/orphans", 200),
        ("/orphans?server=%00", 422),
        ("/orphans?server=nobody", 200),
        ("/orphans?cursor=x", 422),
        (f"/orphans?cursor={'x' * 3000}", 422),
        ("/servers", 200),
        ("/webhooks", 200),
        ("/webhooks?webhook=%00", 422),
        ("/webhooks?job=%00", 422),
        ("/webhooks?job=%F0%9F%8E%AC&webhook=x&state=failed", 200),
        ("/webhooks?state=gone", 422),
        ("/webhooks?before=0", 422),
        ("/webhooks?before=99999999999999999999", 422),
    ],
)
def test_odd_questions_are_answered(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>" not in answer.text
