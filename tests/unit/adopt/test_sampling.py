"""What the values of a column have in common."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adopt.facts import Family
from reconciler.adopt.reading import family_of
from reconciler.adopt.roles import OUTPUT_PATH
from reconciler.adopt.sampling import MAX_DEPTH, sample_of, summary
from tests.unit.adopt.facts import UUID, column

TEXT, JSON, REAL = column("c"), column("c", "jsonb"), column("c", "real")


def test_texts() -> None:
    values = [None, "", UUID, UUID.upper(), "/srv/a.mp4", "b.png", "C:\\x", "https://x/y", "a word"]
    seen = summary(TEXT, values)
    assert (seen.count, seen.uuids, seen.paths, seen.urls) == (7, 1, 4, 1)


def test_numbers() -> None:
    seen = summary(REAL, ["0", "0.5", None, "NaN", "Infinity", "1"])
    assert (seen.least, seen.most, seen.fractions) == (0, 1, 1)


def test_places_inside_json() -> None:
    spec = {"frames": 72, "on": True, "deep": {"n": 1}, "ids": [1], "p": UUID, "": 3}
    graph = {"3": {"class_type": "KSampler", "inputs": {"frames": 16}}}
    values = [json.dumps(spec), json.dumps(graph), "{broken", "[" * 10_000, None]
    seen = summary(JSON, values)
    assert dict(seen.numbers_at) == {("frames",): 1, ("deep", "n"): 1}
    assert dict(seen.uuids_at) == {("p",): 1}


def test_what_waiting_rows_have() -> None:
    waits = [True, True, False, False]
    assert summary(TEXT, ["a", "b", None, None], waits).early
    assert not summary(TEXT, ["a", None, "c", "d"], waits).early
    assert not summary(TEXT, ["a", "b"], [False, False]).early


@pytest.mark.parametrize("status", ["pending", "error"])
def test_what_a_job_takes_is_not_where_its_result_goes(status: str) -> None:
    """Where no row waits, those that failed tell."""
    columns = [column("status"), column("image_path"), column("video_path")]
    values = {
        "status": [status, "done", status],
        "image_path": ["/in/1.png", "/in/2.png", "/in/3.png"],
        "video_path": [None, "/out/2.mp4", None],
    }
    seen = sample_of(columns, values, {"status": {status: 2, "done": 1}})
    assert [each for each in seen.columns if OUTPUT_PATH.refuse(column(each), seen.of(each))] == [
        "status",
        "image_path",
    ]


NAIVE, KNOWN = column("n", "timestamp"), column("k", "timestamptz")


@pytest.mark.parametrize(
    ("naive", "known", "offset_s"),
    [
        ([7200.0, 7260.1, 7320.0], [0.0, 60.0, 120.2], 7200.0),
        ([0.0, 60.0, 120.0], [0.0, 60.0, 120.0], 0.0),
        ([-18000.0, -17000.0, None, -5.0], [0.0, 1000.0, 5.0, 17995.0], -18000.0),
        ([7200.0, 7260.0], [0.0, 60.0], None),  # too few
        ([7201.5, 7300.0, 7555.0], [0.0, 60.0, 120.0], None),  # not of one moment
        ([86400.0 * 3] * 3, [0.0] * 3, None),  # no zone is so far
        ([float("inf")] * 3, [0.0] * 3, None),
    ],
)
def test_the_offset_of_times_in_one_row(
    naive: list[float | None], known: list[float | None], offset_s: float | None
) -> None:
    assert sample_of([NAIVE, KNOWN], {"n": naive, "k": known}, {}).utc_offset_s == offset_s


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(JSON_VALUES, max_size=5))
def test_every_json_is_looked_into_and_no_deeper_than_agreed(values: list[object]) -> None:
    seen = summary(JSON, [json.dumps(value) for value in values])
    assert all(0 < len(path) <= MAX_DEPTH for path in seen.numbers_at)
    assert seen.count <= len(values)


@given(st.lists(st.floats(allow_nan=True) | st.none()))
def test_every_number_is_counted(values: list[float | None]) -> None:
    finite = [v for v in values if v is not None and math.isfinite(v)]
    seen = summary(REAL, values)
    assert seen.most == max(finite, default=None)


@pytest.mark.parametrize(
    ("type_name", "category", "family"),
    [
        ("character varying(50)", "S", Family.TEXT),
        ("citext", "S", Family.TEXT),
        ("numeric(5,2)", "N", Family.NUMBER),
        ("timestamp(3) without time zone", "D", Family.NAIVE),
        ("timestamp with time zone", "D", Family.INSTANT),
        ("money", "N", Family.OTHER),
        ("job_state", "E", Family.ENUM),
        ("bytea", "U", Family.OTHER),
    ],
)
def test_families(type_name: str, category: str, family: Family) -> None:
    assert family_of(type_name, category) is family
