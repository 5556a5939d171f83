"""The application over a stage of jobs, and a client for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi.testclient import TestClient

from reconciler.settings import Settings
from reconciler.store import open_store
from reconciler.web.app import create_app
from reconciler.web.context import WebContext
from reconciler.web.database import Stores
from reconciler.web.problems import MEDIA_TYPE

#: What the settings of the tests say beyond the defaults: nobody is too fast.
QUICK: Mapping[str, Any] = {}


@contextmanager
def context_of(url: str, **more: Any) -> Iterator[WebContext]:
    """What requests share, over this database."""
    stores = Stores(lambda: open_store(url, create=False, connect_timeout_s=2.0))
    yield WebContext(Settings(**{**QUICK, **more}), stores)
    stores.close()


@contextmanager
def client_of(url: str, **more: Any) -> Iterator[TestClient]:
    """A client of the application; what goes wrong in it is raised here."""
    with context_of(url, **more) as context:
        client = TestClient(create_app(context), "http://127.0.0.1:8328")
        yield client
        client.close()


def get(client: TestClient, path: str, /, **params: Any) -> Any:
    """The JSON of an answer that is well."""
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(client: TestClient, path: str, status: int, /, **params: Any) -> dict[str, Any]:
    """The problem that an answer is."""
    answer = client.get(path, params=params)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    told: dict[str, Any] = answer.json()
    return told
