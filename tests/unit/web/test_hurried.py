"""Statements of requests end soon enough, whatever those of the passes may take."""

from __future__ import annotations

import pytest

from reconciler.settings import Settings
from reconciler.web.database import STATEMENT_S, hurried


@pytest.mark.parametrize(("allowed_s", "taken_s"), [(30.0, STATEMENT_S), (2.0, 2.0)])
def test_statements_of_requests_end_soon(allowed_s: float, taken_s: float) -> None:
    settings = Settings(database={"statement_timeout_s": allowed_s})
    assert hurried(settings).database.statement_timeout_s == taken_s
    assert settings.database.statement_timeout_s == allowed_s
