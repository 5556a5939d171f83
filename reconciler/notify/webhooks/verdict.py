"""What becomes of a delivery after an attempt: a pure function of what the endpoint answered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from reconciler.notify.webhooks.post import Answer
from reconciler.outputs.text import printable

#: The first wait, what each is longer than the one before, and the longest, in seconds.
FIRST_S, FACTOR, LONGEST_S = 5.0, 3.0, 6 * 3600.0
#: A wait that an endpoint asks for is kept, up to this, in seconds.
MOST_ASKED_S = LONGEST_S
_GONE = 410
_PATIENT = (429, 503)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a delivery is tried."""

    max_age_s: float
    #: None: as often as there is time for.
    max_attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery."""

    #: None: it is tried again after `wait_s`.
    state: Literal["delivered", "failed"] | None
    error: str | None = None
    wait_s: float | None = None
    #: Why the endpoint is to get nothing any more.
    disable: str | None = None
    #: For so long the endpoint wants nothing at all, in seconds.
    rest_s: float = 0.0


def judge(
    answer: Answer, attempts: int, age_s: float, limits: Limits, *, now: float, chance: float
) -> Verdict:
    """`attempts` and `age_s` with this one; `now`: seconds since the epoch; `chance`: 0 to 1."""
    if answer.status is not None and 200 <= answer.status < 300:
        return Verdict("delivered")
    words = _words(answer)
    if answer.status == _GONE:
        return Verdict("failed", words, disable="it answered 410: it wants nothing any more")
    asked_s = asked_wait_s(answer.retry_after, now)
    wait_s = backoff_s(attempts, chance) if asked_s is None else asked_s
    rest_s = (asked_s or 0.0) if answer.status in _PATIENT else 0.0
    if limits.max_attempts is not None and attempts >= limits.max_attempts:
        return Verdict("failed", f"given up after {attempts} attempts: {words}", rest_s=rest_s)
    if age_s + wait_s > limits.max_age_s:
        return Verdict("failed", f"given up: not delivered in time: {words}", rest_s=rest_s)
    return Verdict(None, words, wait_s, rest_s=rest_s)


def backoff_s(attempts: int, chance: float) -> float:
    """The wait after so many attempts: 5 s, 15 s, 45 s, to 6 hours; less by up to a third by
    chance, so that what failed at once is not tried at once."""
    whole_s = FIRST_S * FACTOR ** min(attempts - 1, 20)
    return min(whole_s, LONGEST_S) * (1 - chance / 3)


def asked_wait_s(retry_after: str | None, now: float) -> float | None:
    """What a Retry-After asks for: seconds, or a date; None where it is neither."""
    if retry_after is None or len(retry_after) > 100:
        return None
    try:
        asked_s = float(retry_after)
    except ValueError:
        asked_s = _until(retry_after, now)
    if not math.isfinite(asked_s):
        return None
    return min(max(asked_s, 0.0), MOST_ASKED_S)


def _until(date: str, now: float) -> float:
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, IndexError, TypeError):
        return math.nan
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (aware - datetime.fromtimestamp(now, UTC)).total_seconds()


def _words(answer: Answer) -> str:
    if answer.status is None:
        return answer.error or "no answer"
    if 300 <= answer.status < 400:
        there = printable(answer.location or "elsewhere", 100)
        return f"it answered {answer.status}, to {there}: redirects are not followed"
    return f"it answered {answer.status}"
