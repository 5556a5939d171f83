"""The stall rule: silence that somebody would have heard broken, and the runtime budget."""

from __future__ import annotations

import pytest

from reconciler.core.evidence import Evidence
from reconciler.core.policy import StallPolicy
from reconciler.core.stall import runtime_budget_s, silence_s, stall_reason
from tests.unit.core.builders import NOW, job, running

POLICY = StallPolicy(no_progress_s=900, base_s=100, per_frame_s=10, startup_grace_s=60)
LONG_AGO = NOW - 50_000
WATCHING = Evidence(watching_since=LONG_AGO)


def reason(prompt, of=None, evidence=WATCHING, now=NOW):
    return stall_reason(of or job(frames=10_000), prompt, evidence, POLICY, now)


def heard(last_sign_at, **fields):
    """A prompt with a listener, which began long ago and last spoke then."""
    known = {"running_since": LONG_AGO, "witness_since": LONG_AGO, "last_sign_at": last_sign_at}
    return running(**(known | fields))


@pytest.mark.parametrize(
    ("frames", "budget_s"), [(72, 820), (1, 110), (0, 100), (None, 2500), (-1, 2500)]
)
def test_budget(frames, budget_s):
    assert runtime_budget_s(job(frames=frames), POLICY) == budget_s


@pytest.mark.parametrize("frames", [72, 120, 240])
def test_the_default_budget_is_three_times_the_real_duration(frames):
    """The longest of the ordinary durations: 72 frames 10 min, 120 frames 20, 240 frames 40."""
    real_s = {72: 600, 120: 1200, 240: 2400}[frames]
    assert runtime_budget_s(job(frames=frames), StallPolicy()) == pytest.approx(3 * real_s, rel=0.3)


def test_silence_is_now_minus_the_last_sign():
    assert reason(heard(NOW - 900)) is None
    assert reason(heard(NOW - 901)) == "no sign of life for 901 s (limit 900 s)"


def test_silence_that_nobody_could_hear_broken_does_not_count():
    assert silence_s(heard(LONG_AGO, witness_since=None), WATCHING, NOW) is None
    assert reason(heard(LONG_AGO, witness_since=None)) is None


def test_silence_starts_when_somebody_listens():
    assert silence_s(heard(LONG_AGO, witness_since=NOW - 30), WATCHING, NOW) == 30
    assert silence_s(heard(None, running_since=None), WATCHING, NOW) == 50_000


def test_the_start_is_a_sign_of_life():
    assert silence_s(heard(LONG_AGO, running_since=NOW - 5), WATCHING, NOW) == 5


def test_silence_starts_no_earlier_than_the_reconciler():
    fresh = Evidence(watching_since=NOW - 100)
    assert silence_s(heard(LONG_AGO), fresh, NOW) == 100


def test_no_silence_while_the_storage_is_away():
    away = Evidence(watching_since=LONG_AGO, storage_healthy=False)
    assert silence_s(heard(LONG_AGO), away, NOW) is None
    assert reason(heard(LONG_AGO), evidence=away) is None


def test_the_budget_needs_no_listener():
    slow = running(running_since=NOW - 821, witness_since=None)
    assert reason(slow, of=job(frames=72)) == "running for 821 s (budget 820 s, frames: 72)"
    assert reason(slow, of=job(frames=72), now=NOW - 1) is None


def test_the_budget_says_that_it_guessed_the_frames():
    slow = running(running_since=NOW - 2501, witness_since=None)
    assert "frames: unknown" in (reason(slow, of=job(frames=None)) or "")


def test_signs_of_life_do_not_extend_the_budget():
    busy = heard(NOW, running_since=NOW - 821)
    assert reason(busy, of=job(frames=72)) is not None


def test_without_start_and_listener_nothing_trips():
    assert reason(running(running_since=None, last_sign_at=None, witness_since=None)) is None


@pytest.mark.parametrize(("up_s", "trips"), [(59, False), (60, True)])
def test_no_verdict_right_after_the_start_of_the_reconciler(up_s, trips):
    over_budget = running(running_since=LONG_AGO, witness_since=None)
    fresh = Evidence(watching_since=NOW - up_s)
    assert (reason(over_budget, of=job(frames=72), evidence=fresh) is not None) is trips


def test_a_sign_from_the_future_is_no_stall():
    assert reason(heard(NOW + 500)) is None
