"""Durations by quantiles: ordered, finite, consistent with the time that has passed."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.spans import Span, added, between, total
from reconciler.core.weighing import at_size, middle_and_width, quantile
from tests.unit.core.strategies import examples

any_floats = st.floats()
spans = st.builds(Span.of, any_floats, any_floats)
samples = st.lists(
    st.tuples(st.floats(0.001, 10), st.floats(-20, 20), st.floats(-5, 5)), min_size=1, max_size=20
)


def is_sound(span):
    return 0 < span.p50_s <= span.p90_s and math.isfinite(span.p90_s)


@examples(200)
@given(spans, any_floats)
def test_what_remains_is_a_sound_span_whatever_has_passed(span, elapsed_s):
    assert is_sound(span.left_after(elapsed_s))


@examples(100)
@given(st.floats(1, 1e5), st.floats(0.05, 1.0), st.floats(0, 1.5))
def test_the_end_moves_only_later_as_time_passes(p50_s, sigma, share):
    """What has taken longer is expected to have ended later."""
    span, elapsed_s = Span.of(p50_s, sigma), share * p50_s
    ends = [at + span.left_after(at).p50_s for at in (0.0, elapsed_s / 2, elapsed_s)]
    assert all(before <= after * (1 + 1e-9) for before, after in pairwise(ends))


def test_half_and_nine_of_ten_of_those_that_last_are_over_by_then():
    span = Span.of(100.0, 0.5)
    left = span.left_after(100.0)
    # Of the longer half, the middle is the 75th percentile of all, the 90th the 95th.
    assert 100.0 + left.p50_s == pytest.approx(100.0 * math.exp(0.5 * 0.6745), rel=0.01)
    assert 100.0 + left.p90_s == pytest.approx(100.0 * math.exp(0.5 * 1.6449), rel=0.01)


@examples(100)
@given(any_floats, any_floats)
def test_any_two_quantiles_make_a_sound_span(p50_s, p90_s):
    assert is_sound(between(p50_s, p90_s))
    assert is_sound(total(p50_s, p90_s))


@examples(50)
@given(st.lists(spans, max_size=6))
def test_sums_are_sound(several):
    assert is_sound(added(several))


def test_many_are_known_better_than_one():
    one = Span.of(60.0, 0.5)
    many = added([one] * 25)
    assert many.p50_s == pytest.approx(25 * one.mean_s, rel=0.02)
    assert many.p90_s / many.p50_s < one.p90_s / one.p50_s


@examples(100)
@given(samples, st.floats(0, 1))
def test_quantiles_lie_among_the_values(several, share):
    weighed = [(weight, value) for weight, value, _ in several]
    values = [value for _, value in weighed]
    assert min(values) <= quantile(weighed, share) <= max(values)
    median, width = middle_and_width(weighed)
    assert min(values) <= median <= max(values)
    assert 0 <= width <= max(values) - min(values)


@examples(100)
@given(samples)
def test_a_fit_over_sizes_is_finite(several):
    assert all(math.isfinite(y) for _, y in at_size(several, 0.85, 0.5))


def test_growth_with_size_is_found():
    several = [(1.0, 2.0 + 1.3 * x, x) for x in (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)]
    assert [y for _, y in at_size(several, 0.85, 0.5)] == pytest.approx([2.0] * 6, abs=0.1)
