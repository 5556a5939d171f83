"""Durations as people say them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.words import one_unit, time_left
from tests.unit.core.strategies import examples


@pytest.mark.parametrize(
    ("p50_s", "p90_s", "said"),
    [
        (240.0, 420.0, "about 4 to 7 min left"),
        (40.0, 150.0, "about 40 s to 2 min left"),
        (10800.0, None, "about 3 h left"),
        (61.0, 62.0, "about 61 s left"),
        (0.2, 0.4, "about 1 s left"),
        (90.0, 100.0, "about 90 s left"),
        (3000.0, 90000.0, "about 50 min to 25 h left"),
    ],
)
def test_time_left(p50_s, p90_s, said):
    assert time_left(p50_s, p90_s) == said


@examples(100)
@given(st.floats(0, 1e9), st.none() | st.floats(0, 1e9))
def test_any_numbers_are_said(p50_s, p90_s):
    said = time_left(p50_s, p90_s)
    assert said.startswith("about ")
    assert said.endswith(" left")


def test_for_ever():
    assert one_unit(math.inf) == "for ever"
