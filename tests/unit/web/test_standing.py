"""Answers that stand for a while."""

from __future__ import annotations

from itertools import count

import pytest

from reconciler.web import standing
from reconciler.web.standing import Standing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(standing.time, "monotonic", lambda: now[0])
    return now


def test_what_costs_nothing_is_always_new(clock: list[float]) -> None:
    answer, numbers = Standing[int](), count(1)
    assert [answer.get(lambda: next(numbers)) for _ in range(3)] == [1, 2, 3]


def test_what_costs_much_stands_for_long(clock: list[float]) -> None:
    numbers = count(1)

    def ask() -> int:
        clock[0] += 0.5
        return next(numbers)

    answer = Standing[int]()
    assert answer.get(ask) == 1
    clock[0] += 9.9
    assert answer.get(ask) == 1
    clock[0] += 0.2
    assert answer.get(ask) == 2


def test_some_answers_stand_in_any_case(clock: list[float]) -> None:
    answer, numbers = Standing[int](5.0), count(1)
    assert answer.get(lambda: next(numbers)) == 1
    clock[0] += 4.9
    assert answer.get(lambda: next(numbers)) == 1
    clock[0] += 0.2
    assert answer.get(lambda: next(numbers)) == 2


def test_an_error_is_no_answer(clock: list[float]) -> None:
    answer = Standing[int](5.0)
    with pytest.raises(ZeroDivisionError):
        answer.get(lambda: 1 // 0)
    assert answer.get(lambda: 7) == 7
