"""Secrets are used, and never seen: not shown, not printed, not in any message."""

import json

import pytest
import yaml

from reconciler.settings import load
from tests.unit.settings.conftest import Problems, WriteFile

SECRETS = ("hunter2", "tok3n", "k3y", "passw0rd")
WITH_SECRETS = """\
database: {url: 'postgresql://user:hunter2@db.lan:5432/name?sslmode=require'}
servers:
  - {url: 'http://a', token: tok3n, headers: {X-Key: k3y}}
  - {url: 'http://user:passw0rd@b'}
"""


def test_nothing_that_is_printed_holds_a_secret(write: WriteFile) -> None:
    settings = load(config=write(WITH_SECRETS), environ={})
    printed = [
        repr(settings),
        str(settings),
        repr(settings.servers),
        repr(settings.database),
        str(settings.model_dump()),
        settings.model_dump_json(),
        yaml.safe_dump(settings.shown()),
        json.dumps(settings.shown()),
        str(settings.source),
    ]
    assert not [secret for secret in SECRETS for text in printed if secret in text]


def test_secrets_are_there_for_who_needs_them(write: WriteFile) -> None:
    settings = load(config=write(WITH_SECRETS), environ={})
    assert "hunter2" in (settings.database.dsn or "")
    assert settings.servers[0].request_headers() == {
        "X-Key": "k3y",
        "Authorization": "Bearer tok3n",
    }


def test_all_but_the_secrets_is_shown(write: WriteFile) -> None:
    shown = load(config=write(WITH_SECRETS), environ={}).shown()
    assert {"user=user", "host=db.lan", "password=***"} <= set(shown["database"]["url"].split())
    assert shown["servers"][0]["headers"] == {"X-Key": "**********"}
    assert shown["servers"][1]["url"] == "http://b"
    assert shown["inspection"]["memory_limit_bytes"] == 4 * 2**30


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://user@host/name", "postgresql://user@host/name"),
        ("host=h dbname=d", "host=h dbname=d"),
        ("postgresql://u:hunter2@h/d", "user=u password=*** dbname=d host=h"),
        ("postgresql://h/d?password=hunter2", "password=*** dbname=d host=h"),
        ("postgresql://h/d?sslpassword=hunter2", "dbname=d host=h sslpassword=***"),
        ("postgresql://u:hun%74er2@h/d", "user=u password=*** dbname=d host=h"),
        # Python's and libpq's readings of these differ
        ("postgresql://u:x?hunter2@h/d", "user=u password=*** dbname=d host=h"),
        ("postgresql://u:x#hunter2@h/d", "user=u password=*** dbname=d host=h"),
        ("host=h password='hunter2 x'", "password=*** host=h"),
    ],
)
def test_every_form_of_a_database_password_is_hidden(
    write: WriteFile, dsn: str, shown: str
) -> None:
    environ = {"RECONCILER_DATABASE__URL": dsn}
    settings = load(config=write(""), environ=environ)
    assert settings.shown()["database"]["url"] == shown
    assert settings.database.dsn == dsn


def test_without_a_database_nothing_is_hidden(write: WriteFile) -> None:
    settings = load(config=write(""), environ={})
    assert settings.shown()["database"]["url"] is None
    assert settings.database.dsn is None


@pytest.mark.parametrize(
    "text",
    [
        "database: {url: 'postgres//u:hunter2@h/d'}",
        "database: {url: 'postgresql://u:hunter2@h:x y/d?zz=1'}",
        "database: {url: [hunter2]}",
        "database: hunter2",
        "database: {urll: hunter2}",
        "servers: 'http://u:hunter2@a'",
        "servers: ['http://u:hunter2@a']",
        "servers: [{url: 'http://u:hunter2@a', ulr: 1}]",
        "servers: [{url: 'u:hunter2@a'}]",
        "servers: [{url: 'http://u:80/hunter2@a'}]",
        "servers: [{url: 'http://u:80?hunter2@a'}]",
        "servers: [{url: 'http://u:hunter2\uff0f@a'}]",
        "servers: [{url: 'http://u:hunter2@[a'}]",
        "servers: [{url: 'http://a', token: [hunter2]}]",
        "servers: [{url: 'http://a', token: \"hunter2\\n\"}]",
        "servers: [{url: 'http://a', headers: hunter2}]",
        "servers: [{url: 'http://a', headers: {X: [hunter2]}}]",
        "servers: [{url: 'http://a', headers: {X: \"hunter2\\nY\"}}]",
        "servers: [{url: 'http://a', token: hunter2: x}]",
        "servers: [{url: 'http://a', token: 'hunter2}]",
    ],
)
def test_no_message_holds_a_secret(problems: Problems, text: str) -> None:
    assert "hunter2" not in "\n".join(problems(text))


def test_no_message_about_variables_holds_a_secret(problems: Problems) -> None:
    environ = {
        "RECONCILER_DATABASE__URL": "postgres//hunter2",
        "RECONCILER_DATABASE_URL": "postgresql://u:hunter2@h",
        "RECONCILER_SERVERS": '[{"url": "http://u:hunter2@a"',
    }
    found = problems(environ=environ)
    assert len(found) == 3
    assert "hunter2" not in "\n".join(found)
