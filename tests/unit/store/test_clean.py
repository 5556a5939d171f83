"""Outside text on its way into Postgres."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.store.clean import clean_json, clean_text, path_bytes, path_from_bytes

anything = st.text(alphabet=st.characters(), max_size=50)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(anything, inner, max_size=4),
    max_leaves=12,
)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=80), st.integers(2, 60))
def test_text_fits_postgres_and_its_limit(text: str, limit: int) -> None:
    cleaned = clean_text(text, limit)
    assert len(cleaned) <= limit
    assert "\x00" not in cleaned
    cleaned.encode("utf-8")


def test_plain_text_is_left_as_it_is() -> None:
    assert clean_text("71 of 72 frames «größer» 🎬") == "71 of 72 frames «größer» 🎬"


@given(values)
def test_json_fits_jsonb(value: object) -> None:
    text = json.dumps(clean_json(value), allow_nan=False)
    assert "\\u0000" not in text
    text.encode("utf-8")


def test_json_keeps_what_it_means() -> None:
    value = {"a": (1, 2.5, None, True), "b": {"c": "x"}}
    assert clean_json(value) == {"a": [1, 2.5, None, True], "b": {"c": "x"}}


@given(st.binary(min_size=1, max_size=40).filter(lambda raw: b"\x00" not in raw))
def test_paths_are_bytes_and_come_back(raw: bytes) -> None:
    path = path_from_bytes(raw)
    assert path_from_bytes(path_bytes(path)) == path
    assert isinstance(path, Path)
