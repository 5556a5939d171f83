"""How many attempts of an endpoint may begin, after some that went well or ill."""

from __future__ import annotations

import itertools

import pytest

from reconciler.notify.webhooks import lane
from reconciler.notify.webhooks.lane import MOST_PAUSE_S, Lane, Tried
from reconciler.notify.webhooks.post import Answer, Target
from reconciler.notify.webhooks.verdict import Limits, Verdict
from reconciler.store.deliveries import Claimed

CLAIMED = Claimed(1, "msg_1", "studio", 1, "1", "job.failed", {}, 1, 0.0, 0.0)


class Clock:
    """The monotonic clock, as the test sets it."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lane, "time", clock)
    return clock


@pytest.fixture
def studio() -> Lane:
    return Lane("studio", Target("http://a.example/"), ("whsec_x",), Limits(3600.0), 10.0, 4)


def end(studio: Lane, verdict: Verdict) -> None:
    studio.under_way += 1
    studio.ended(Tried(CLAIMED, {}, Answer(0.1, 500), verdict))


FAILED = Verdict(None, "it answered 500", 5.0)
WELL = Verdict("delivered")


def test_one_failure_means_one_at_a_time_and_a_success_all_again(
    clock: Clock, studio: Lane
) -> None:
    assert studio.room() == 4
    end(studio, FAILED)
    assert studio.room() == 1
    studio.under_way = 1
    assert studio.room() == 0
    studio.under_way = 0
    end(studio, WELL)
    assert studio.room() == 4


def test_who_refuses_everything_is_left_alone_for_longer_and_longer(
    clock: Clock, studio: Lane
) -> None:
    """Ten thousand deliveries that wait are not tried at once, though each is due."""
    pauses = []
    for _ in range(30):
        end(studio, FAILED)
        began_s = clock.now_s
        while not studio.room():
            clock.now_s += 0.05
        pauses.append(clock.now_s - began_s)
    assert pauses[:2] == [0.0, 0.0], "one message that is refused holds up no others"
    assert all(before <= after + 0.1 for before, after in itertools.pairwise(pauses))
    assert pauses[-1] == pytest.approx(MOST_PAUSE_S, abs=0.1)
    end(studio, WELL)
    assert studio.room() == 4


def test_who_asks_for_patience_gets_it(clock: Clock, studio: Lane) -> None:
    end(studio, Verdict(None, "it answered 429", 600.0, rest_s=600.0))
    clock.now_s += 599.0
    assert studio.room() == 0
    clock.now_s += 2.0
    assert studio.room() == 1


def test_secrets_are_not_part_of_what_it_looks_like(studio: Lane) -> None:
    assert "whsec_x" not in repr(studio)
