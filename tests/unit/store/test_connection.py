"""Database addresses as they may be shown."""

from __future__ import annotations

import pytest

from reconciler.store.connection import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hush@db:5432/x", "postgresql://u:***@db:5432/x"),
        ("postgresql://u@db/x", "postgresql://u@db/x"),
        ("host=db password=hush user=u", "host=db password=*** user=u"),
        ("postgresql://u:hush@db/hush", "postgresql://u:***@db/hush"),
    ],
)
def test_the_password_is_hidden(url: str, shown: str) -> None:
    assert without_password(url) == shown
