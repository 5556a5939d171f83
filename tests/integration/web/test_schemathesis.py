"""Whatever is asked: no 500, and answers as their description says. Made up by schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from reconciler.store.records import Event
from reconciler.web.app import create_app
from tests.integration.commands import Stage
from tests.integration.web.rest import context_of

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Streams never end, and the ways of health have no schema.
APART = r"^/api/v1/(stream|ws)"
#: The guard answers to names that it knows.
HOST = {"Host": "127.0.0.1:8328"}
#: Requests that are made up for each operation.
EXAMPLES = 12


@pytest.fixture(scope="module")
def app(module_database: str) -> Iterator[FastAPI]:
    """The application over some jobs, one of which is that of the examples."""
    stage = Stage(module_database)
    stage.server("gpu1")
    row = {"id": 1234, "comfyui_job_id": "p"}
    job_id = stage.known("processing", row, server="gpu1", progress=4)
    stage.prompt(job_id, "p")
    stage.tell(job_id, Event("note", "a sentence"))
    stage.known("failed", {"error": "lost: <b>"}, failure="lost")
    with context_of(module_database) as context:
        yield create_app(context)
    stage.close()


def test_every_answer_is_as_described(app: FastAPI) -> None:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=HOST)
    operations = [one.ok() for one in schema.exclude(path_regex=APART).get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        _ask(operation)


def _ask(operation: Any) -> None:
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
        deadline=None,
    )
    @given(operation.as_strategy())
    def is_as_described(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=HOST, checks=CHECKS)

    is_as_described()
