"""A small corpus through the inspection: what was reached once is not lost again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.build import build
from tests.corpus.cases import Case, Truth
from tests.corpus.score import Judged, Score, each_of, judge, report, score

#: Something of every container, with the odd forms that once raised false alarms.
SAMPLE = """
    mp4-h264 mp4-h264-vfr mp4-h264-edit-list mp4-h264-cover mp4-hevc mov-prores mkv-h264-pipe
    mkv-ffv1-flac webm-vp9-opus webm-vp8 avi-mpeg4-mp3 ts-h264-aac mp4-odd-joined mov-odd-timecode
    gif webp-animated png-apng png-interlaced png-comfyui jpg-progressive webp-alpha
    wav-s16 wav-pipe flac mp3-no-xing opus
"""
#: Of all damage, silent damage too; what `make bench` measures on the whole is in docs/.
REACHED = 0.9
VISIBLE_REACHED = 0.98


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[Judged]:
    folder = tmp_path_factory.mktemp("corpus")
    return each_of(folder, build(folder, 23, "work", frozenset(SAMPLE.split())))


@pytest.fixture(scope="module")
def counted(judged: list[Judged]) -> Score:
    return score(judged, lambda case: case.constructed)


def test_no_sound_file_is_blamed(counted: Score) -> None:
    assert [(each.case.recipe, each.words) for each in counted.alarms] == []
    assert counted.sound > 60


def test_every_file_is_judged_and_its_frames_are_counted(counted: Score) -> None:
    assert [(each.case.recipe, each.words) for each in counted.unjudged] == []
    assert [(each.case.recipe, each.frames) for each in counted.miscounted] == []


def test_nearly_all_that_can_be_seen_is_found(counted: Score) -> None:
    """Not all: an MPEG-TS that was cut between two pictures is a shorter MPEG-TS."""
    missed = [(each.case.recipe, each.case.damage, each.case.what) for each in counted.missed]

    assert counted.recall >= VISIBLE_REACHED, missed
    assert not [each for each in missed if not each[0].startswith("ts-")]


def test_little_damage_is_silent(counted: Score) -> None:
    assert counted.found / counted.damaged >= REACHED, [
        (each.case.recipe, each.case.damage, each.case.what) for each in counted.silent
    ]


def test_a_score_counts_what_was_missed_apart_from_what_is_silent(tmp_path: Path) -> None:
    def case(path: str, truth: Truth, damage: str = "flipped") -> Case:
        return Case(path, damage, "mp4-h264", "mp4", "h264", "video", truth, frames=9)

    judged = [
        Judged(case("found", Truth.DAMAGED), True, "decode: x"),
        Judged(case("missed", Truth.DAMAGED), False, "", 9),
        Judged(case("silent", Truth.DAMAGED), False, "", 9),
        Judged(case("same", Truth.HARMLESS), True, "structure: x", 9),
        Judged(case("alarm", Truth.SOUND, "none"), True, "decode: y", 9),
        Judged(case("count", Truth.SOUND, "none"), False, "", 8),
    ]
    counted = score(judged, lambda one: one.path == "missed")

    assert (counted.found, counted.visible, counted.damaged) == (1, 2, 3)
    assert [each.case.path for each in counted.missed] == ["missed"]
    assert [each.case.path for each in counted.silent] == ["silent"]
    assert [each.case.path for each in counted.alarms] == ["alarm"]
    assert [each.case.path for each in counted.miscounted] == ["count"]
    lines = "\n".join(report(tmp_path, counted, judged))
    assert "recall, visible: 50.0% (1 of 2)" in lines
    assert "| flipped | 1/3 1s |" in lines


def test_a_file_that_is_gone_is_unjudged(tmp_path: Path) -> None:
    gone = Case("gone.mp4", "none", "mp4-h264", "mp4", "h264", "video", Truth.SOUND)

    assert judge(tmp_path, gone).unjudged
