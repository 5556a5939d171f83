"""The web interface on a real port, with a real database behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from reconciler.settings import Settings, load
from reconciler.store import open_store
from reconciler.store.tokens import TokenStore
from reconciler.web.server import WebServer

START_S = 60.0


def web_settings(folder: Path, url: str, **web: Any) -> Settings:
    """Settings for any free port."""
    config = folder / "web.yaml"
    shown = {
        "web": {"port": 0, **web},
        "database": {"url": url, "connect_timeout_s": 2.0},
        "data_dir": str(folder / "data"),
    }
    config.write_text(json.dumps(shown), encoding="utf-8")
    return load(config=config, environ={})


@contextmanager
def serving(folder: Path, url: str, **web: Any) -> Iterator[httpx.Client]:
    """The web interface as `reconciler web` has it, in a thread; a client of it."""
    with closing(WebServer(web_settings(folder, url, **web))) as server:
        server.start()
        assert server.wait(START_S), server.failure
        with httpx.Client(base_url=str(server.url), timeout=30.0) as client:
            yield client


def prepared(url: str) -> str:
    """The database with our schema and a jobs table; its URL."""
    open_store(url).close()
    return url


def token_of(url: str, role: str, name: str = "", valid_s: float | None = None) -> str:
    """A new token."""
    with closing(open_store(url, create=False)) as store:
        token = TokenStore(store.connection).create(name or role, role, valid_s)
    assert token is not None
    return token


def csrf_of(client: httpx.Client) -> str:
    """What a form on a page sends along."""
    page = client.get("/", headers={"Accept": "text/html"})
    if page.status_code == 303:
        page = client.get(page.headers["location"])
    return page.text.split('name="csrf-token" content="')[1].split('"')[0]
