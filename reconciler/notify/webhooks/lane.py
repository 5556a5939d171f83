"""One endpoint as a sender serves it: a bounded number of attempts at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from reconciler.notify.webhooks.message import body_of, completed, headers_of
from reconciler.notify.webhooks.post import Answer, Target, post
from reconciler.notify.webhooks.verdict import Limits, Verdict, judge
from reconciler.store.deliveries import Claimed
from reconciler.store.views import JobView

log = structlog.get_logger(__name__)

#: Beyond an attempt's time-out: until then it is stored, or its sender is dead. In seconds.
CLAIM_MARGIN_S = 3.0
#: An endpoint that fails again and again, whatever it is sent, is left alone for so long at most.
MOST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that is over."""

    claimed: Claimed
    payload: Mapping[str, Any]
    answer: Answer
    verdict: Verdict


@dataclass
class Lane:
    """Attempts of one endpoint, each in its thread. One thread calls what is public here."""

    name: str
    target: Target
    #: What messages are signed with: never log them.
    secrets: tuple[str, ...] = field(repr=False)
    limits: Limits
    timeout_s: float
    parallel: int
    #: How many are under way.
    under_way: int = field(default=0, init=False)
    #: Attempts that failed in a row: until one succeeds there is one at a time.
    _failures: int = field(default=0, init=False)
    _rests_until_s: float = field(default=0.0, init=False)

    @property
    def claim_s(self) -> float:
        """For how long a claim holds: nobody else tries meanwhile."""
        return 2 * self.timeout_s + CLAIM_MARGIN_S

    def room(self) -> int:
        """How many attempts may begin now."""
        if time.monotonic() < self._rests_until_s:
            return 0
        return max(0, (1 if self._failures else self.parallel) - self.under_way)

    def start(self, claimed: Claimed, job: JobView | None, done: Callable[[Tried], None]) -> None:
        """Begins an attempt; `done` is called with it in its thread when it is over. `job`: its
        row, if it is there and the message is new."""
        name = f"webhook {self.name}"[:50]
        work = threading.Thread(
            target=lambda: done(self._try(claimed, job)), name=name, daemon=True
        )
        work.start()
        self.under_way += 1

    def ended(self, tried: Tried) -> None:
        """An attempt is over, and known of."""
        self.under_way -= 1
        if tried.verdict.state == "delivered":
            self._failures = 0
            return
        self._failures += 1
        rest_s = max(tried.verdict.rest_s, _pause_s(self._failures))
        self._rests_until_s = max(self._rests_until_s, time.monotonic() + rest_s)

    def _try(self, claimed: Claimed, job: JobView | None) -> Tried:
        payload = claimed.payload
        try:
            payload = completed(claimed, job)
            answer = self._posted(claimed, payload)
        except Exception:  # a defect of ours: it counts as a failed attempt, and is tried again
            log.exception("a defect: please report it", webhook=self.name)
            answer = Answer(0.0, error="a defect of the sender: its log tells more")
        verdict = judge(
            answer,
            claimed.attempts,
            claimed.age_s + answer.took_s,
            self.limits,
            now=time.time(),
            chance=random.random(),  # noqa: S311 - no secret
        )
        return Tried(claimed, payload, answer, verdict)

    def _posted(self, claimed: Claimed, payload: Mapping[str, Any]) -> Answer:
        body = body_of(payload)
        headers = headers_of(claimed.message_id, body, self.secrets, datetime.now(UTC))
        return post(self.target, headers, body.encode(), self.timeout_s)


def _pause_s(failures: int) -> float:
    """One message that is refused holds up no others; where all are, ten thousand that wait are
    not tried at once."""
    return min(0.1 * 2.0 ** min(failures - 2, 20), MOST_PAUSE_S) if failures > 2 else 0.0
