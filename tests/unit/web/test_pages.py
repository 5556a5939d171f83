"""The frame of all pages, and the files that they load."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from reconciler.errors import DatabaseError
from reconciler.settings import Settings
from reconciler.web.app import create_app
from reconciler.web.context import WebContext
from reconciler.web.database import Stores
from reconciler.web.pages.rendering import job_path, size, with_query


def _gone() -> Any:
    raise DatabaseError("nobody listens at /tmp/nowhere")


@pytest.fixture
def client() -> TestClient:
    """A client of an application whose database is away."""
    app = create_app(WebContext(Settings(), Stores(_gone)))
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


@pytest.mark.parametrize("path", ["/", "/jobs", "/failures"])
def test_without_a_database_a_page_says_so_and_comes_back_by_itself(
    client: TestClient, path: str
) -> None:
    """With scripts (data-away) and without (refresh)."""
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "The database is away" in answer.text
    assert "data-away" in answer.text and 'http-equiv="refresh"' in answer.text


def test_an_unknown_page_is_a_page(client: TestClient) -> None:
    """And an unknown path of the REST interface is none."""
    assert "Not found" in client.get("/nowhere").text
    assert client.get("/api/v1/nowhere").headers["content-type"] == "application/problem+json"


def test_what_a_page_loads_is_there_and_is_kept(client: TestClient) -> None:
    """Each file that is named, and each that those name; nothing of another host."""
    page = client.get("/").text
    names = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(names) > 5
    for name in names:
        answer = client.get(name)
        assert answer.status_code == 200, name
        assert "immutable" in answer.headers["cache-control"]
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page


def test_with_another_digest_a_file_is_not_kept(client: TestClient) -> None:
    """A page of the version before gets it, and asks again next time."""
    answer = client.get("/static/older/js/app.js")
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["../app.py", "%2e%2e/app.py", "..%2fapp.py", "/etc/passwd", "js", "vendor/README.md"]
)
def test_no_other_file_is_served(client: TestClient, name: str) -> None:
    """Names are looked up, not opened."""
    assert client.get(f"/static/x/{name}").status_code == 404


def test_no_page_has_script_or_style_of_its_own(client: TestClient) -> None:
    """The policy of the contents would refuse them."""
    page = client.get("/").text
    assert "<style" not in page and " style=" not in page and " onclick" not in page
    assert re.findall(r"<script(?![^>]* src=)", page) == []


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (4_200_000, "4.2 MB")]
)
def test_sizes_in_words(count: int, words: str) -> None:
    """In powers of a thousand."""
    assert size(count) == words


def test_ids_are_quoted_in_paths() -> None:
    """Whatever they are made of."""
    assert job_path("a/b?c#<d>") == "/jobs/a%2Fb%3Fc%23%3Cd%3E"
    assert with_query("/jobs", status="failed", q=None, server="a&b") == (
        "/jobs?status=failed&server=a%26b"
    )
