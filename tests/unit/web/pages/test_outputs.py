"""The files of a job as its page shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.core.evidence import FileState
from reconciler.settings.server import ServerSettings
from reconciler.store.file_pages import NamedOutput
from reconciler.store.outputs import OutputRecord
from reconciler.web.pages.job.outputs import MAX_DETAIL, MOST_CARDS, MOST_DEFECTS, cards

FILE = OutputRecord(
    Path("/out/video/a.mp4"), "gpu1", 10, 1, 1, {"media": "video", "frames": 8}, FileState.SOUND
)


def named(*records: OutputRecord) -> list[NamedOutput]:
    """Each with an id."""
    return [NamedOutput(f"id{number}", record) for number, record in enumerate(records)]


def test_the_file_that_the_row_points_at_is_first_under_whatever_name() -> None:
    silent = replace(FILE, path=Path("/out/video/a-silent.mp4"))
    server = ServerSettings(
        name="gpu1", url="http://gpu1:8188", output_dir="/out", stored_path="Z:\\films"
    )
    shown = cards(named(silent, FILE), "Z:\\films\\video\\a.mp4", [server])
    assert [(card.name, card.is_main) for card in shown] == [
        ("a.mp4", True),
        ("a-silent.mp4", False),
    ]


def test_what_proves_a_file() -> None:
    identical = replace(FILE, identical_to="sha256:abc")
    unjudged = replace(FILE, verdict=FileState.UNJUDGED, inspection={"unjudged": "no decoder"})
    proofs = [card.proof for card in cards(named(FILE, identical, unjudged), None)]
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
    (card,) = cards(named(damaged), None)
    assert [finding.where for finding in card.defects] == ["byte 118,026, second 0.6", ""]
    assert card.defects[1].detail == "bad\\x1b[31m"
    assert (card.look, card.is_confirmed, card.proof) == ("failed", False, "")


def test_defects_without_end_are_bounded() -> None:
    defects = [{"kind": "decode", "detail": "x" * 10_000}] * 1000
    damaged = replace(FILE, verdict=FileState.UNSOUND, inspection={"defects": defects})
    (card,) = cards(named(damaged), None)
    assert len(card.defects) == MOST_DEFECTS
    assert len(card.defects[0].detail) == MAX_DETAIL


def test_of_thousands_of_pictures_some_are_shown_and_the_main_one_is_among_them() -> None:
    pictures = [replace(FILE, path=Path(f"/out/{n:04}.png")) for n in range(400)]
    server = ServerSettings(name="gpu1", url="http://gpu1:8188", output_dir="/out")
    shown = cards(named(*pictures), "/out/0399.png", [server])
    assert (len(shown), shown[0].name, shown[0].id) == (MOST_CARDS, "0399.png", "id399")
