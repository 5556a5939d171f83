"""The files of a job as its page shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.core.evidence import FileState
from reconciler.settings.server import ServerSettings
from reconciler.store.outputs import OutputRecord
from reconciler.web.pages.job.outputs import MAX_DETAIL, MOST_DEFECTS, cards

FILE = OutputRecord(
    Path("/out/video/a.mp4"), "gpu1", 10, 1, 1, {"media": "video", "frames": 8}, FileState.SOUND
)


def test_the_file_that_the_row_points_at_is_first_under_whatever_name() -> None:
    silent = replace(FILE, path=Path("/out/video/a-silent.mp4"))
    server = ServerSettings(
        name="gpu1", url="http://gpu1:8188", output_dir="/out", stored_path="Z:\\films"
    )
    shown = cards([silent, FILE], [], "Z:\\films\\video\\a.mp4", [server])
    assert [(card.name, card.is_main) for card in shown] == [
        ("a.mp4", True),
        ("a-silent.mp4", False),
    ]


def test_what_proves_a_file() -> None:
    identical = replace(FILE, identical_to="sha256:abc")
    unjudged = replace(FILE, verdict=FileState.UNJUDGED, inspection={"unjudged": "no decoder"})
    proofs = [card.proof for card in cards([FILE, identical, unjudged], [], None)]
    assert proofs == [
        "decodes whole",
        "identical to what ComfyUI wrote (sha256)",
        "no decoder",
    ]


def test_a_defect_says_where() -> None:
    defects = [
        {"kind": "structure", "detail": "cut off", "offset": 118026, "at_s": 0.61},
        {"kind": "decode", "detail": "bad\x1b[31m", "offset": None, "at_s": None},
    ]
    damaged = replace(FILE, verdict=FileState.UNSOUND, inspection={"defects": defects})
    (card,) = cards([damaged], [], None)
    assert [finding.where for finding in card.defects] == ["byte 118,026, second 0.6", ""]
    assert card.defects[1].detail == "bad\\x1b[31m"
    assert (card.look, card.is_confirmed, card.proof) == ("failed", False, "")


def test_defects_without_end_are_bounded() -> None:
    defects = [{"kind": "decode", "detail": "x" * 10_000}] * 1000
    damaged = replace(FILE, verdict=FileState.UNSOUND, inspection={"defects": defects})
    (card,) = cards([damaged], [], None)
    assert len(card.defects) == MOST_DEFECTS
    assert len(card.defects[0].detail) == MAX_DETAIL
