"""What an agent believes of its leases while the database is slow, silent or another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from reconciler.core.lease import UNKNOWN, Lease, LeaseTerms
from reconciler.errors import DatabaseError
from reconciler.service.tenure import Tenure
from reconciler.store.agents import Identity
from tests.waiting import wait_for

TERMS = LeaseTerms(40.0)
GPU, REST = Lease("gpu", 1), Lease(UNKNOWN, 1)


class Database:
    """Leases and agents as `LeaseStore` and `AgentStore` keep them, as slow as a test wants."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.takes_s = 0.0
        self.failing = False
        self.of_others: set[str] = set()
        self.at_revision: str | None = "0004"
        self.waiting: str | None = None
        self.released = 0

    def clock(self) -> float:
        return self.now_s

    def _answer(self) -> None:
        self.now_s += self.takes_s
        if self.failing:
            raise DatabaseError("no answer")

    def revision(self) -> str | None:
        return self.at_revision

    def name(self, servers: Sequence[str]) -> None:
        pass

    def acquire(self, servers: Sequence[str]) -> dict[str, int]:
        self._answer()
        return {server: 1 for server in servers if server not in self.of_others}

    def renew(
        self, leases: Sequence[Lease], looked_at: Mapping[str, float], waiting: str | None
    ) -> set[str]:
        self._answer()
        self.waiting = waiting
        return {lease.server for lease in leases} - self.of_others

    def release(self) -> None:
        self.released += 1

    def forget_dead(self, agent: Identity) -> None:
        pass

    def forget(self, agent: Identity) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def tenure(database: Database) -> Iterator[Callable[[], Tenure]]:
    made: list[Tenure] = []

    def start() -> Tenure:
        agent = Identity("a", "0004", ["gpu"])
        made.append(Tenure(agent, database, database, TERMS, clock=database.clock))  # type: ignore[arg-type]
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()


def test_trust_is_counted_from_before_the_question(
    database: Database, tenure: Callable[[], Tenure]
) -> None:
    database.takes_s = 8.0
    held = tenure()  # a renewal of 8 s, then it was given its leases in another 8
    assert held.trusted() == {GPU, REST}
    database.now_s = 108.0 + TERMS.lease_s - TERMS.margin_s - 0.1
    assert held.trusted() == {GPU, REST}
    database.now_s += 0.1
    assert held.trusted() == frozenset()
    assert held.held() == {GPU, REST}, "not seen to be lost"


def test_while_the_database_is_silent_trust_runs_out_and_comes_back(
    database: Database, tenure: Callable[[], Tenure]
) -> None:
    held = tenure()
    database.failing = True
    database.now_s += TERMS.lease_s
    held.refresh()
    assert held.trusted() == frozenset()
    database.failing = False
    held.refresh()
    assert held.trusted() == {GPU, REST}


def test_what_another_one_has_taken_is_known_at_the_next_renewal(
    database: Database, tenure: Callable[[], Tenure]
) -> None:
    held = tenure()
    database.of_others = {"gpu"}
    held.refresh()
    assert held.held() == {REST}


def test_another_revision_of_our_tables_ends_all_trust(
    database: Database, tenure: Callable[[], Tenure]
) -> None:
    held = tenure()
    database.at_revision = "9999"
    held.refresh()
    assert held.trusted() == frozenset()
    assert database.released == 1
    held.refresh()
    assert "revision 9999" in (database.waiting or "")
    database.at_revision = "0004"
    held.refresh()
    wait_for(lambda: held.trusted() == {GPU, REST}, "it goes on")
