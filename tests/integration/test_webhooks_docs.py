"""docs/webhooks.md is right: its settings, its examples, and what it tells of a message."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.settings import load
from reconciler.store import Store, open_store
from tests.integration.running import Rows
from tests.integration.test_outbox import ended, tell
from tests.integration.test_webhooks import all_are, sending
from tests.receiver import OTHER_SECRET, SECRET, Got, receiver
from tests.waiting import wait_for

DOCS = (Path(__file__).parents[2] / "docs/webhooks.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = open_store(database)
    yield store
    store.close()


@pytest.fixture
def got(store: Store, database: str) -> Got:
    job_id = Rows(database).insert(job_type="größe", frames=72)
    with receiver() as known, sending(database, known):
        tell(store, (job_id, ended()))
        wait_for(all_are(store, "delivered", 1), "it is delivered")
    return known.got[0]


def test_the_settings_are_right(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_text(block("yaml"), encoding="utf-8")
    environ = {"RECONCILER_WEBHOOKS__SECRETS": json.dumps({"studio": SECRET})}
    assert load(config=path, environ=environ).webhooks.endpoints[0].job_types == ("video*",)


def test_a_message_has_the_fields_that_are_told(got: Got) -> None:
    told, real = json.loads(block("json")), json.loads(got.body)
    assert told.keys() == real.keys()
    assert told["data"].keys() == real["data"].keys()
    assert told["data"]["event"].keys() == real["data"]["event"].keys()


def test_the_example_in_python_knows_our_messages(got: Got) -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    received = names["received"]
    assert received(got.body, got.headers, SECRET)["type"] == "job.completed"
    with pytest.raises(Exception, match="No matching signature"):
        received(got.body, got.headers, OTHER_SECRET)


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here to run the example with")
def test_the_example_in_javascript_knows_our_messages(got: Got) -> None:
    headers = {name.lower(): value for name, value in got.headers.items()}
    given = json.dumps([got.body.decode(), headers])
    program = block("javascript") + (
        "const [body, headers] = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));"
        "console.log(received(body, headers, process.argv[1]).type);"
    )

    def run(secret: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["node", "-e", program, secret],
            input=given, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert run(SECRET).stdout == "job.completed\n", run(SECRET).stderr
    assert "not signed with this secret" in run(OTHER_SECRET).stderr
