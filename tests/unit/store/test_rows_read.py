"""Which columns of a stranger's table are read, and what is told of its rows."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from psycopg2 import sql

from reconciler.core.expectation import Expectation, ExpectedFrames
from reconciler.store.columns import Column
from reconciler.store.rows import job_of
from reconciler.store.table import JobsTable
from tests.unit.cli.builders import job


@pytest.mark.parametrize(
    ("type_", "read"), [("boolean", True), ("bytea", False), ("text", False), (None, False)]
)
def test_only_a_boolean_says_whether_sound_is_wanted(type_: str | None, read: bool) -> None:
    table = JobsTable(("jobs",), {} if type_ is None else {"audio": Column(type_)})
    wanted = sql.Identifier("j", "audio") if read else sql.SQL("null")
    assert table.read("audio") == wanted


@pytest.mark.parametrize(
    ("reason", "error", "warned"),
    [
        ("late success after the verdict lost: warning: a.mp4 cannot be judged (vvc)", None, True),
        ("late success after the verdict lost: 1 output decodes whole", None, False),
        ("anything", "warning: a.mp4 cannot be judged (vvc)", True),
    ],
)
def test_a_late_success_warns_in_a_table_without_errors_too(
    reason: str, error: str | None, warned: bool
) -> None:
    view = job("completed", rule="late_success", reason=reason, error=error)
    assert view.warned is warned


def expects(**columns: object) -> Expectation:
    row: defaultdict[str, Any] = defaultdict(lambda: None)
    row |= {"job_id": "7", "row_status": "queued", "created_at": 1.0, **columns}
    return job_of(row).expects


@pytest.mark.parametrize("number", [0, -1, "many", float("nan"), Decimal("1e308"), 10**400])
def test_a_number_that_cannot_be_meant_expects_nothing(number: object) -> None:
    assert expects(frames=72, fps=24.0).frames == ExpectedFrames(72)
    assert expects(frames=number, fps=number, duration_s=number, width=number) == Expectation()
