"""Progress and time left: bounded and monotone always, right where the numbers are good."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.estimate import Work, expected_s, left_s, percent, wait_s
from reconciler.core.policy import StallPolicy
from tests.unit.core.builders import job
from tests.unit.core.strategies import examples

numbers = st.floats() | st.integers(-(2**63), 2**63)
works = st.builds(
    Work,
    nodes_total=st.none() | st.integers(-5, 10**6),
    nodes_done=st.integers(-5, 10**6),
    value=numbers,
    maximum=st.none() | numbers,
)
seconds = st.floats(-1e9, 1e9)


@pytest.mark.parametrize(
    ("work", "shown"),
    [
        (Work(10, 0), 0),
        (Work(10, 5), 50),
        (Work(10, 5, 10, 20), 55),
        (Work(100, 29), 29),
        (Work(3, 1), 33),
        (Work(10, 9, 20, 20), 99),
        (Work(10, 10), 99),
        (Work(10, 11), 99),
        (Work(10, 5, 30, 20), 60),
        (Work(10, 5, -3, 20), 50),
        (Work(10, 5, 3, 0), 50),
        (Work(10, 5, math.nan, math.nan), 50),
        (Work(10, 5, math.inf, math.inf), 50),
    ],
)
def test_percent(work, shown):
    assert percent(work) == shown


@pytest.mark.parametrize("total", [None, 0, -1])
def test_an_unknown_graph_leaves_the_progress_where_it_was(total):
    assert percent(Work(total, 5, 10, 20), previous=37) == 37


@examples(50)
@given(st.lists(works, max_size=8))
def test_progress_never_goes_back_and_never_says_100(reports):
    shown = 0
    for work in reports:
        following = percent(work, shown)
        assert isinstance(following, int)
        assert shown <= following <= 99
        shown = following


@examples(50)
@given(st.integers(-1000, 1000))
def test_progress_survives_a_previous_one_that_makes_no_sense(previous):
    assert 0 <= percent(Work(10, 5), previous) <= 99


@examples(50)
@given(st.integers(1, 500), st.integers(1, 100))
def test_more_work_done_is_never_less_progress(total, steps):
    shown = [percent(Work(total, 0, step, steps)) for step in range(steps + 1)]
    assert shown == sorted(shown)
    assert percent(Work(total, 1)) == shown[-1]


def test_expected_is_a_third_of_the_budget():
    policy = StallPolicy(base_s=90, per_frame_s=3, unknown_frames=100)
    assert expected_s(job(frames=10), policy) == 40
    assert expected_s(job(frames=None), policy) == 130


def test_the_prior_alone_speaks_below_five_percent():
    assert left_s(4, elapsed_s=30, prior_s=100) == 70


def test_a_prior_that_is_used_up_says_nothing():
    assert left_s(4, elapsed_s=100, prior_s=100) is None
    assert left_s(0, elapsed_s=500, prior_s=100) is None


def test_the_measurement_alone_speaks_from_fifty_percent():
    assert left_s(50, elapsed_s=300, prior_s=1) == 300
    assert left_s(75, elapsed_s=300, prior_s=10**6) == 100


def test_in_between_the_two_are_mixed():
    measured, prior = 100 * 72.5 / 27.5, 200
    assert left_s(27, elapsed_s=100, prior_s=300) == pytest.approx((measured + prior) / 2, rel=0.02)


def test_at_five_percent_the_measurement_has_no_weight_yet():
    assert left_s(5, elapsed_s=30, prior_s=100) == 70


@examples(50)
@given(st.integers(0, 99), seconds, seconds)
def test_time_left_is_never_negative(progress, elapsed_s, prior_s):
    left = left_s(progress, elapsed_s, prior_s)
    assert left is None or (left >= 0 and math.isfinite(left))


@examples(50)
@given(st.integers(5, 99), st.floats(1, 1e5))
def test_a_job_that_runs_as_expected_is_estimated_right(progress, prior_s):
    elapsed_s = prior_s * progress / 100
    assert left_s(progress, elapsed_s, prior_s) == pytest.approx(prior_s - elapsed_s)


def test_wait_is_the_sum_of_what_stands_before():
    assert wait_s([]) == 0
    assert wait_s([60, 600], running_left_s=30) == 690
    assert wait_s([60], running_left_s=None) == 60
    assert wait_s([-5, 60], running_left_s=-1) == 60
