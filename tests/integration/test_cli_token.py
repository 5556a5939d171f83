"""`reconciler token`: made, listed, revoked; the token itself is nowhere but on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from reconciler.store.tokens import digest_of
from tests.integration.commands import HOSTILE, Stage, fits, joined, reconciler


@pytest.fixture
def stage(database: str) -> Iterator[Stage]:
    stage = Stage(database)
    yield stage
    stage.close()


def test_a_token_is_printed_once_and_its_digest_kept(stage: Stage) -> None:
    done = reconciler("token", "create", "ana", "--role", "operator", "--database", stage.url)
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    assert token.startswith("rec_") and len(token) >= 40
    assert token not in done.stderr and "operator" in done.stderr
    (row,) = stage.sql("select *, expires_at - created_at as valid from reconciler.tokens")
    assert bytes(row["digest"]) == digest_of(token) and row["role"] == "operator"
    assert abs(row["valid"].days - 365) <= 1

    again = reconciler("token", "create", "ana", "--database", stage.url)
    assert again.returncode == 1 and "revoke it" in joined(again.stderr) and not again.stdout


def test_tokens_are_listed_and_revoked(stage: Stage) -> None:
    for name in ("ana", "ben"):
        reconciler("token", "create", name, "--forever", "--database", stage.url)
    gone = reconciler("token", "revoke", "ana", "--database", stage.url)
    assert gone.returncode == 0, gone.stderr
    assert reconciler("token", "revoke", "ana", "--database", stage.url).returncode == 1

    shown = reconciler("token", "list", "--database", stage.url).stdout
    assert fits(shown)
    ana, ben = shown.splitlines()[1:]
    assert "revoked" in ana and "until revoked" in ben and "never" in ben
    listed = json.loads(reconciler("token", "list", "--json", "--database", stage.url).stdout)
    assert [(one["name"], one["valid"]) for one in listed] == [("ana", False), ("ben", True)]
    assert "digest" not in listed[0]

    anew = reconciler("token", "create", "ana", "--database", stage.url)
    assert anew.returncode == 0, anew.stderr


@pytest.mark.parametrize("name", ["", " ana", HOSTILE, "x" * 101])
def test_a_name_that_is_no_name_is_refused(stage: Stage, name: str) -> None:
    done = reconciler("token", "create", name, "--database", stage.url)
    assert done.returncode == 2 and not done.stdout
    assert stage.sql("select count(*) as n from reconciler.tokens")[0]["n"] == 0
