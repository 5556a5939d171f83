"""What doctor says of the web interface, and of webhooks."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.doctor.finding import Finding, Level
from reconciler.doctor.web import check_web
from reconciler.doctor.webhooks import check_webhooks
from reconciler.settings import load
from reconciler.store import open_store
from reconciler.store.webhooks import Endpoint, WebhookStore
from tests.integration.web.serving import prepared, serving, token_of

WEB = "web interface"


def findings(folder: Path, url: str, **web: Any) -> dict[str, Finding]:
    config = folder / "doctor.yaml"
    config.write_text(json.dumps({"web": web, "database": {"url": url}}), encoding="utf-8")
    return {each.what: each for each in check_web(load(config=config, environ={}))}


@pytest.fixture
def port() -> Iterator[int]:
    """One on which nothing listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


def test_on_loopback_nothing_is_wrong(database: str, tmp_path: Path, port: int) -> None:
    found = findings(tmp_path, database, port=port)
    assert list(found) == [WEB] and found[WEB].level is Level.OK
    assert "nothing listens there now" in found[WEB].detail
    assert "switched off" in findings(tmp_path, database, enabled=False)[WEB].detail
    assert "any free port" in findings(tmp_path, database, port=0)[WEB].detail


def test_who_listens_there(database: str, tmp_path: Path) -> None:
    with serving(tmp_path, prepared(database)) as client:
        found = findings(tmp_path, database, port=client.base_url.port)
        assert found[WEB].level is Level.OK and "a reconciler serves it" in found[WEB].detail
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = findings(tmp_path, database, port=other.getsockname()[1])[WEB]
        assert taken.level is Level.WARNING and "something else" in taken.detail


def test_elsewhere_tokens_and_names_are_needed(database: str, tmp_path: Path, port: int) -> None:
    prepared(database)
    found = findings(tmp_path, database, host="0.0.0.0", port=port)
    tokens, names = found[f"{WEB}, tokens"], found[f"{WEB}, names"]
    assert tokens.level is Level.FAILED and "reconciler token create" in tokens.advice
    assert names.level is Level.WARNING and "web.allowed_hosts" in names.advice

    token_of(database, "reader")
    found = findings(tmp_path, database, host="0.0.0.0", port=port, allowed_hosts=["gpu.lan"])
    assert {each.level for each in found.values()} == {Level.OK}
    assert "1 of 1" in found[f"{WEB}, tokens"].detail


def test_an_address_that_is_not_ours(database: str, tmp_path: Path) -> None:
    found = findings(tmp_path, database, host="192.0.2.1", require_token=True)
    assert found[WEB].level is Level.FAILED and "web.host" in found[WEB].advice


def test_an_endpoint_that_is_disabled_is_told_with_the_way_back(
    database: str, tmp_path: Path
) -> None:
    config = tmp_path / "doctor.yaml"
    names = ("studio", "gone", "new")
    endpoints = [{"name": name, "url": f"https://{name}.example/hook"} for name in names]
    secrets = {name: ["whsec_" + "QUJD" * 8] for name in names}
    webhooks = {"endpoints": endpoints, "secrets": secrets}
    settings = {"webhooks": webhooks, "database": {"url": database}}
    config.write_text(json.dumps(settings), encoding="utf-8")
    with closing(open_store(database)) as store:
        known = WebhookStore(store.connection)
        known.name("agent", [Endpoint(n, "https://x/", "endings", None, None) for n in names[:2]])
        known.disable("gone", "it answered 410: it wants nothing any more")
    found = {each.what: each for each in check_webhooks(load(config=config, environ={}))}
    assert [each.level for each in found.values()] == [Level.OK, Level.WARNING, Level.OK]
    gone = found["webhooks, gone"]
    assert "410" in gone.detail and "reconciler webhooks enable gone" in gone.advice
