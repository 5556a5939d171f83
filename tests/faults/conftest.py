"""What the tests of faults share: databases as in the integration tests, sizes, and figures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.postgres_trial import stage  # noqa: F401 - a fixture
from tests.integration.conftest import (  # noqa: F401 - fixtures
    data_dir,
    database,
    new_data_dir,
    postgres_url,
    servers_dir,
    stopped_data_dir,
)

#: Lines of the table that is printed at the end: test, what was seen.
_FIGURES = pytest.StashKey[list[tuple[str, str]]]()

Figure = Callable[[str], None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """True in `make faults`: the sizes that were promised, and not those that fit `make test`."""
    return bool(request.config.getoption("--long"))


@pytest.fixture
def only_long(long: bool) -> None:
    """For faults that are kin to one that `make test` plays."""
    if not long:
        pytest.skip("takes long: `make faults` plays it")


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Notes a figure of this test: what the row said during the fault, and how soon it was right.

    It is told, never asserted: how fast a machine is, is no property of the code.
    """
    figures = request.config.stash[_FIGURES]
    return lambda words: figures.append((request.node.name, words))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = terminalreporter.config.stash.get(_FIGURES, [])
    if figures:
        terminalreporter.section("figures")
    for name, words in figures:
        terminalreporter.write_line(f"{name}: {words}")
