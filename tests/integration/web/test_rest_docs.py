"""The examples of docs/web.md, asked as they stand there of a server that listens."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from tests.integration.commands import Stage
from tests.integration.web.rest import client_of

DOCS = Path(__file__).parents[3] / "docs" / "web.md"
EXAMPLES = re.findall(r"^curl -s (.*)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
#: They are asked with GET, and answer at once.
READS = [
    shlex.split(example, comments=True)[0]
    for example in EXAMPLES
    if len(shlex.split(example, comments=True)) == 1 and "/stream" not in example
]


@pytest.fixture
def client(database: str) -> Iterator[TestClient]:
    stage = Stage(database)
    stage.server("gpu1")
    stage.known("processing", {"comfyui_job_id": "p"}, server="gpu1")
    with client_of(database) as client:
        yield client
    stage.close()


def test_every_example_is_answered(client: TestClient) -> None:
    assert len(READS) >= 12
    for url in READS:
        parts = urlsplit(url)
        answer = client.get(f"{parts.path}?{parts.query}")
        assert answer.status_code == 200, f"{url}: {answer.text}"
        json.loads(answer.text)


def test_every_path_of_the_examples_is_described(client: TestClient) -> None:
    described = client.get("/api/v1/openapi.json").json()["paths"]
    patterns = [re.sub(r"\{[^}]*\}", "[^/]+", path) for path in described]
    for url in READS:
        path = urlsplit(url).path
        assert any(re.fullmatch(pattern, path) for pattern in patterns), path


def test_every_operation_has_a_summary_and_an_example_of_what_it_answers(
    client: TestClient,
) -> None:
    schema = client.get("/api/v1/openapi.json").json()
    for path, operations in schema["paths"].items():
        if not path.startswith("/api/"):
            continue
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("summary"), where
            assert operation.get("description"), where
            problems = [s for s in operation["responses"] if int(s) >= 400]
            assert {"401", "503"} <= set(problems), where
            for status in problems:
                assert operation["responses"][status]["description"], where
