"""How many connections there may be: others in the process need files, too."""

from __future__ import annotations

import resource

import pytest

from reconciler.web.protocol import FILES_OF_OTHERS, MAX_CONNECTIONS, connections_allowed

WANTED = MAX_CONNECTIONS + FILES_OF_OTHERS


@pytest.mark.parametrize(
    ("soft", "hard", "raised_to", "allowed"),
    [
        (1024, 1024, None, 341),
        (1024, 4096, WANTED, MAX_CONNECTIONS),
        (1024, resource.RLIM_INFINITY, WANTED, MAX_CONNECTIONS),
        (1024, 2048, 2048, 1024),
        (1_000_000, 1_000_000, None, MAX_CONNECTIONS),
    ],
)
def test_the_limit_of_files_is_raised_and_shared(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised_to: int | None, allowed: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.append(new))
    assert connections_allowed() == allowed
    assert limits[-1][0] == (raised_to or soft)
