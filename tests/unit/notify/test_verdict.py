"""What becomes of a delivery after each kind of answer, and how long it waits."""

from __future__ import annotations

import pytest

from reconciler.notify.webhooks.post import Answer
from reconciler.notify.webhooks.verdict import (
    LONGEST_S,
    Limits,
    Verdict,
    asked_wait_s,
    backoff_s,
    judge,
)

DAY_S = 86_400.0
LIMITS = Limits(3 * DAY_S)
NOW = 1_796_083_200.0  # 2026-12-01 00:00:00 UTC


def judged(answer: Answer, attempts: int = 1, age_s: float = 1.0, **limits: int) -> Verdict:
    known = Limits(LIMITS.max_age_s, **limits)
    return judge(answer, attempts, age_s, known, now=NOW, chance=0.0)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_delivered(status: int) -> None:
    assert judged(Answer(0.1, status)) == Verdict("delivered")


@pytest.mark.parametrize("status", [100, 199, 300, 400, 401, 404, 408, 422, 500, 502, 504, 999])
def test_everything_else_is_tried_again(status: int) -> None:
    verdict = judged(Answer(0.1, status))
    assert (verdict.state, verdict.wait_s) == (None, 5.0)
    assert f"it answered {status}" in (verdict.error or "")


def test_no_answer_is_tried_again_with_why() -> None:
    verdict = judged(Answer(15.0, error="no answer within 15 s"), attempts=3)
    assert (verdict.state, verdict.error, verdict.wait_s) == (None, "no answer within 15 s", 45.0)


def test_gone_disables_the_endpoint_and_ends_the_delivery() -> None:
    verdict = judged(Answer(0.1, 410))
    assert verdict.state == "failed" and "410" in (verdict.disable or "")


def test_a_redirect_is_told_and_not_followed() -> None:
    verdict = judged(Answer(0.1, 302, location="https://elsewhere.example/\x1b[31m"))
    assert verdict.state is None
    assert verdict.error == (
        "it answered 302, to https://elsewhere.example/\\x1b[31m: redirects are not followed"
    )


def test_it_is_given_up_when_the_next_attempt_would_be_too_late_or_one_too_many() -> None:
    late = judged(Answer(0.1, 500), attempts=20, age_s=2.9 * DAY_S)
    assert late.state == "failed" and "not delivered in time" in (late.error or "")
    assert judged(Answer(0.1, 500), attempts=4, max_attempts=5).state is None
    fifth = judged(Answer(0.1, 500), attempts=5, max_attempts=5)
    assert (fifth.state, fifth.error) == ("failed", "given up after 5 attempts: it answered 500")


def test_waits_grow_to_six_hours_and_differ_by_chance() -> None:
    waits = [backoff_s(attempts, 0.0) for attempts in range(1, 12)]
    assert waits[:4] == [5.0, 15.0, 45.0, 135.0]
    assert waits == sorted(waits) and waits[-1] == backoff_s(10_000, 0.0) == LONGEST_S
    assert backoff_s(2, 1.0) == pytest.approx(10.0)
    assert 10.0 < backoff_s(2, 0.5) < 15.0


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("120", 120.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("1e9", LONGEST_S),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("9" * 200, None),
        ("Tue, 01 Dec 2026 00:02:00 GMT", 120.0),
        ("Tue, 01 Dec 2026 00:02:00 -0000", 120.0),
        ("Mon, 30 Nov 2026 00:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2999 00:00:00 GMT", LONGEST_S),
        ("Tue, 99 Dec 2026 00:02:00 GMT", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date_within_bounds(
    header: str | None, wait_s: float | None
) -> None:
    assert asked_wait_s(header, NOW) == wait_s


@pytest.mark.parametrize(("status", "rest_s"), [(429, 60.0), (503, 60.0), (500, 0.0)])
def test_who_asks_for_patience_gets_it_for_all_deliveries(status: int, rest_s: float) -> None:
    verdict = judged(Answer(0.1, status, retry_after="60"))
    assert (verdict.wait_s, verdict.rest_s) == (60.0, rest_s)
