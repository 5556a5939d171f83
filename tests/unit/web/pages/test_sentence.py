"""Sentences with instants in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.web.pages.sentence import Moment, moment, sentence
from reconciler.words.text import safe


def test_instants_stand_where_they_were_said() -> None:
    parts = sentence(f"running since {moment(1.5)}, seen {moment(2e9)}")
    assert parts == ("running since ", Moment(1.5), ", seen ", Moment(2e9))


def test_a_text_without_any_is_itself() -> None:
    assert sentence("nothing") == ("nothing",)
    assert sentence("") == ()


@given(st.text())
def test_no_outside_text_passes_for_an_instant(text: str) -> None:
    """Control characters are escaped before a sentence is made of it."""
    assert all(isinstance(part, str) for part in sentence(safe(text)))
    assert all(isinstance(part, str) for part in sentence(safe(moment(1.0))))
