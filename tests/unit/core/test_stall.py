"""The stall rule: silence that somebody would have heard broken, and the runtime budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.evidence import Doing, Evidence
from reconciler.core.policy import RunStage, StallMatch, StallPolicy, StallRule
from reconciler.core.stall import ran_s, runtime_budget_s, silence_s, stall_reason
from tests.unit.core.builders import NOW, job, running

POLICY = StallPolicy(no_progress_s=900, base_s=100, per_frame_s=10, startup_grace_s=60)
LONG_AGO = NOW - 50_000
WATCHING = Evidence(watching_since=LONG_AGO)
SAMPLING = Doing("7", "KSampler", 12, 30)


def reason(prompt, of=None, evidence=WATCHING, now=NOW, policy=POLICY):
    return stall_reason(of or job(frames=10_000), prompt, evidence, policy, now)


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


#: The longest of the usual durations, in seconds.
USUAL = {1: 60, 72: 600, 120: 1200, 240: 2400, None: 2400}


@pytest.mark.parametrize("frames", USUAL)
def test_the_default_budget_leaves_time_for_a_slow_first_load_of_a_model(frames):
    """60 GB from a disk that gives 100 MB/s for a video; 12 GB for an image."""
    load_s = 120 if frames == 1 else 600
    began = {"running_since": NOW - USUAL[frames] - load_s}
    slow = running(**began, witness_since=None, last_sign_at=None)
    assert reason(slow, of=job(frames=frames), policy=StallPolicy()) is None


def test_silence_is_now_minus_the_last_sign():
    assert reason(heard(NOW - 900)) is None
    assert reason(heard(NOW - 901)) == "no sign of life for 15 min 1 s (limit 15 min)"


def test_silence_tells_what_was_seen_last():
    assert reason(heard(NOW - 905, doing=SAMPLING)) == (
        "no progress for 15 min 5 s at node 7 (KSampler), step 12 of 30 (limit 15 min)"
    )
    assert "at node 7, step 3 of 4 (" in reason(heard(LONG_AGO, doing=Doing("7", None, 3, 4)))
    assert "at node 7 (VAEDecode) (" in reason(heard(LONG_AGO, doing=Doing("7", "VAEDecode")))


def test_silence_that_was_not_all_listened_to_tells_when_the_last_sign_was():
    prompt = heard(NOW - 8_000, doing=SAMPLING, witness_since=NOW - 960)
    assert reason(prompt) == (
        "no progress for 16 min at node 7 (KSampler), step 12 of 30, last heard 2 h 13 min ago"
        " (limit 15 min)"
    )


def test_names_of_nodes_are_bounded():
    assert len(reason(heard(LONG_AGO, doing=Doing("7" * 9_999, "K" * 9_999)))) < 300


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


def test_the_budget_needs_no_listener_and_says_that_there_was_none():
    slow = running(running_since=NOW - 821, witness_since=None, last_sign_at=None)
    assert reason(slow, of=job(frames=72)) == (
        "running for 13 min 41 s (budget 13 min 40 s, frames: 72); nothing tells us of its"
        " progress, so a slow run, a hang and a dead worker look the same, and only the budget"
        " applies"
    )
    assert reason(slow, of=job(frames=72), now=NOW - 1) is None


def test_the_budget_says_that_it_guessed_the_frames():
    slow = running(running_since=NOW - 2501, witness_since=None, last_sign_at=None)
    assert "frames: unknown" in (reason(slow, of=job(frames=None)) or "")


def over_budget(sign_s_ago, **more):
    return heard(NOW - sign_s_ago, running_since=NOW - 821, doing=SAMPLING, **more)


@pytest.mark.parametrize(("silent_s", "trips"), [(3, False), (60, False), (61, True)])
def test_over_its_budget_and_still_getting_on_it_is_slow_and_not_stalled(silent_s, trips):
    policy = replace(POLICY, quiet_s=60)
    words = stall_reason(job(frames=72), over_budget(silent_s), WATCHING, policy, NOW)
    assert (words is not None) is trips
    if words is not None:
        assert words == (
            "running for 13 min 41 s (budget 13 min 40 s, frames: 72); last heard 1 min 1 s ago"
            " at node 7 (KSampler), step 12 of 30"
        )


def test_the_budget_can_be_a_hard_limit():
    policy = replace(POLICY, quiet_s=0)
    assert stall_reason(job(frames=72), over_budget(3), WATCHING, policy, NOW) is not None


def test_silence_that_only_the_storage_could_break_does_not_go_with_a_budget():
    away = Evidence(watching_since=LONG_AGO, storage_healthy=False)
    policy = replace(POLICY, quiet_s=60)
    assert stall_reason(job(frames=72), over_budget(61), away, policy, NOW) is None


@pytest.mark.parametrize(("sign_s_ago", "trips"), [(900, False), (901, True)])
def test_who_was_heard_until_nobody_listened_may_still_get_on(sign_s_ago, trips):
    deaf = running(running_since=LONG_AGO, witness_since=None, last_sign_at=NOW - sign_s_ago)
    assert (reason(deaf, of=job(frames=72)) is not None) is trips


def test_a_hard_limit_waits_for_no_listener():
    deaf = running(running_since=LONG_AGO, witness_since=None, last_sign_at=NOW - 3)
    hard = replace(POLICY, quiet_s=0)
    assert stall_reason(job(frames=72), deaf, WATCHING, hard, NOW) is not None


def test_who_listens_since_a_moment_ago_has_heard_no_silence():
    policy = replace(POLICY, quiet_s=60)
    late = over_budget(400, witness_since=NOW - 60)
    assert stall_reason(job(frames=72), late, WATCHING, policy, NOW) is None


def test_seconds_that_nobody_watched_count_against_no_budget():
    away = {"running_since": NOW - 8_000, "witness_since": None, "last_sign_at": None}
    assert ran_s(running(**away, unwatched_s=7_200), NOW) == 800
    assert reason(running(**away, unwatched_s=7_180), of=job(frames=72)) is None
    words = reason(running(**away, unwatched_s=7_179), of=job(frames=72))
    assert words is not None
    assert "running for 13 min 41 s" in words
    assert ", besides 1 h 59 min in which nobody could watch it" in words


def test_without_start_and_listener_nothing_trips():
    assert reason(running(running_since=None, last_sign_at=None, witness_since=None)) is None


@pytest.mark.parametrize(("up_s", "trips"), [(59, False), (60, True)])
def test_no_verdict_right_after_the_start_of_the_reconciler(up_s, trips):
    over_budget = running(running_since=LONG_AGO, witness_since=None, last_sign_at=None)
    fresh = Evidence(watching_since=NOW - up_s)
    assert (reason(over_budget, of=job(frames=72), evidence=fresh) is not None) is trips


def test_a_sign_from_the_future_is_no_stall():
    assert reason(heard(NOW + 500)) is None


def test_a_stage_that_may_be_silent_for_longer():
    """The silence that is allowed is that of what it does now."""
    patient = StallPolicy(
        rules=(StallRule(StallMatch(stage=RunStage.LOADING), no_progress_s=3_600),)
    )
    for doing, limit in (
        (Doing("1", "UNETLoader"), 3_600),
        (Doing("7", "KSampler"), 3_600),
        (SAMPLING, 900),
        (Doing("1"), 900),
        (None, 900),
    ):
        at_limit, beyond = heard(NOW - limit, doing=doing), heard(NOW - limit - 1, doing=doing)
        assert reason(at_limit, policy=patient) is None
        words = reason(beyond, policy=patient)
        assert words is not None
        assert ("limit 1 h by stall.rules[0])" in words) is (limit == 3_600)
