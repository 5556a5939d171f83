"""Schedules of two and three agents whose clocks differ: no stale write, no misplaced trust."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from reconciler.core.lease import Holdings, Lease, LeaseTerms
from tests.faults.conftest import Figure
from tests.faults.lease_model import FAST, RIGHT, SLOW, Rules, explore, walk

#: Worlds and schedules that are tried in the short form.
SOME_WORLDS = 6_000
SOME_WALKS, MANY_WALKS = 60, 2_000


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rates", [(SLOW, FAST), (SLOW, SLOW), (FAST, RIGHT)])
def test_two_agents_in_every_order(rates: tuple[float, ...], long: bool, figure: Figure) -> None:
    found = explore(2, Rules(rates), None if long else SOME_WORLDS)
    figure(f"{found.worlds} worlds of two agents{', all there are' if long else ''}: 0 wrong")
    assert found.counterexample is None


@pytest.mark.timeout(900)
def test_two_agents_whose_clocks_leap_ahead(long: bool, figure: Figure) -> None:
    found = explore(2, Rules((SLOW, FAST), leap=40.0), 400_000 if long else SOME_WORLDS)
    figure(f"{found.worlds} worlds of two agents with leaping clocks: 0 wrong")
    assert found.counterexample is None


@pytest.mark.timeout(900)
def test_three_agents(long: bool, figure: Figure) -> None:
    rules = Rules((SLOW, RIGHT, FAST))
    found = explore(3, rules, 300_000 if long else SOME_WORLDS)
    assert found.counterexample is None
    number = MANY_WALKS if long else SOME_WALKS
    for seed in range(number):
        assert walk(3, rules, 150, Random(seed)).counterexample is None, f"seed {seed}"
    figure(f"{found.worlds} worlds of three agents, and {number} long schedules: 0 wrong")


def test_a_clock_that_stands_still_deceives_its_agent_and_writes_nothing_stale() -> None:
    """A machine that is suspended, clocks and all: only the epoch can help."""
    stopped = (0.0, RIGHT)
    assert explore(2, Rules(stopped), SOME_WORLDS).counterexample is not None
    assert explore(2, Rules(stopped, judges_trust=False), SOME_WORLDS).counterexample is None


@pytest.mark.parametrize(
    "bug",
    [
        {"checks_epoch": False},
        {"margin": False},
        {"from_the_start": False},
    ],
    ids=lambda bug: next(iter(bug)),
)
def test_the_model_can_fail(bug: dict[str, Any], figure: Figure) -> None:
    found = explore(2, Rules((SLOW, FAST), **bug), SOME_WORLDS)
    assert found.counterexample is not None
    figure(f"wrong after {len(found.counterexample) - 1} steps: {found.counterexample[-1]}")


@pytest.mark.parametrize("takeover_s", [2.0, 4.0, 30.0, 600.0])
def test_a_dead_agent_is_succeeded_in_time(takeover_s: float) -> None:
    """Whenever it dies between two renewals, and whenever its successor looks, by a slow clock."""
    terms = LeaseTerms(takeover_s)
    every_s = terms.poll_s * RIGHT / SLOW
    worst_s = 0.0
    for death in range(20):
        died_s = terms.renew_s * death / 20
        for phase in range(20):
            look_s = every_s * phase / 20
            while look_s < terms.lease_s or look_s < died_s:
                look_s += every_s
            worst_s = max(worst_s, look_s - died_s)
    assert worst_s < takeover_s
    assert terms.idle_s < terms.lease_s, "an open transaction of the dead one has ended by then"


def test_trust_is_extended_by_renewals_and_ends_with_a_lost_one() -> None:
    terms = LeaseTerms(20.0)
    holdings = Holdings(terms)
    holdings.granted({"a": 1, "b": 4}, asked_at_s=100.0)
    a, b = Lease("a", 1), Lease("b", 4)
    assert holdings.trusted(108.9) == {a, b}
    assert holdings.trusted(109.0) == frozenset()
    assert holdings.renewed([a, b], ["a"], asked_at_s=105.0) == {b}
    assert holdings.trusted(113.9) == {a}
    holdings.granted({"b": 6}, asked_at_s=106.0)
    assert holdings.trusted(110.0) == {a, Lease("b", 6)}
    holdings.renewed([a], ["a"], asked_at_s=101.0)  # an answer that comes late takes nothing back
    assert a in holdings.trusted(113.9)


def test_the_times_follow_from_one_setting() -> None:
    terms = LeaseTerms(30.0)
    assert (terms.lease_s, terms.renew_s, terms.margin_s) == (15.0, 3.75, 1.5)
    assert (terms.poll_s, LeaseTerms(4.0).poll_s) == (1.0, 0.5)
