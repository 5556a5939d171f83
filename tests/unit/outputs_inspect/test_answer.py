"""What is believed of a worker's answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import InspectionError
from reconciler.outputs.answer import MAX_DEFECTS, progress_of, unpack
from reconciler.outputs.inspection import Defect, Inspection
from reconciler.outputs.progress import Progress
from reconciler.outputs.worker import pack

FILE = Inspection(Path("/out/a.mp4"), "unknown", size_bytes=10, mtime_ns=20, inode=30)
SEEN = replace(
    FILE,
    media="video",
    frames=72,
    fps=24.0,
    duration_s=3.0,
    codec="h264",
    container="mp4",
    tags={"job_id": "42"},
    has_audio=False,
    defects=(Defect("decode", "bad", offset=7, at_s=1.5),),
    warnings=(Defect("black", "black from end to end"),),
    thumbnail=b"\xff\xd8\xff\xe0jpeg",
)


def forged(**values: Any) -> dict[str, Any]:
    """An answer with other values in it."""
    answer = pack(SEEN)
    return {**answer, "inspection": {**answer["inspection"], **values}}


def test_an_inspection_comes_back_as_it_was() -> None:
    assert unpack(pack(SEEN), FILE) == SEEN


def test_what_identifies_the_file_is_our_own() -> None:
    told = forged(path="/etc/passwd", size_bytes=1, mtime_ns=1, inode=1, thumbnail="x")
    assert unpack(told, FILE) == SEEN


def test_words_are_escaped_and_bounded() -> None:
    seen = unpack(
        forged(
            codec="\x1b[2J",
            container="a\0b",
            unjudged="x" * 9999,
            tags={"job_id": "7\n", "else": "x"},
            defects=[{"kind": "k\n", "detail": "d\0" + "x" * 9999}] * 1000,
        ),
        FILE,
    )
    assert (seen.codec, seen.container) == ("\\x1b[2J", "a\\x00b")
    assert len(seen.unjudged or "") == 200
    assert "else" not in seen.tags
    assert len(seen.defects) == MAX_DEFECTS
    assert seen.defects[0].kind == "k\\n"
    assert len(seen.defects[0].detail) == 1000
    assert "\0" not in seen.defects[0].detail


def test_a_thumbnail_that_is_no_jpeg_is_dropped() -> None:
    assert unpack({**pack(SEEN), "thumbnail": "PHN2Zz4="}, FILE).thumbnail is None
    assert unpack({**pack(SEEN), "thumbnail": None}, FILE).thumbnail is None


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"inspection": 7, "thumbnail": None},
        {"inspection": {}, "thumbnail": None},
        {**pack(SEEN), "thumbnail": "no base64!"},
        {**pack(SEEN), "thumbnail": 7},
        forged(media="virus"),
        forged(frames="many"),
        forged(frames=[1]),
        forged(fps=float("inf")),
        forged(defects="decode"),
        forged(defects=[{"kind": 1}]),
        forged(tags={"job_id": {}}),
    ],
)
def test_what_has_not_the_form_is_no_answer(answer: dict[str, Any]) -> None:
    with pytest.raises(InspectionError, match="no usable answer"):
        unpack(answer, FILE)


def test_a_failure_is_told_in_its_words() -> None:
    with pytest.raises(InspectionError, match=r"^took \\x1b too long$"):
        unpack({"failed": "took \x1b too long"}, FILE)


def test_progress_is_numbers_or_nothing() -> None:
    told = {"progress": {"time_s": 1.5, "frames": 36}}
    assert progress_of(told) == Progress(1.5, 36)
    assert progress_of({"progress": {"time_s": "soon"}}) is None
    assert progress_of({"progress": 7}) is None


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 1e300])
@pytest.mark.parametrize("name", ["time_s", "of_s"])
def test_a_progress_that_no_film_has_is_none(name: str, number: float) -> None:
    assert progress_of({"progress": {"time_s": 1.0, "of_s": 2.0}}) == Progress(1.0, of_s=2.0)
    assert progress_of({"progress": {"time_s": 1.0, "of_s": 2.0, name: number}}) is None
