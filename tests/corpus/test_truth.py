"""The truth about a damaged file is what it shows, compared with what it showed before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.cases import Draw
from tests.corpus.ffmpeg import run
from tests.corpus.sounds import heard
from tests.corpus.stills import animation
from tests.corpus.truth import Shown, differences, shown
from tests.corpus.videos import X264_AAC


def test_a_film_shows_its_pictures_and_its_sound(tmp_path: Path) -> None:
    path, draw = tmp_path / "film.mp4", Draw.of("truth")
    X264_AAC(path, draw)
    seen = shown(path, "mp4")

    assert len(seen.pictures) == len(seen.times) == draw.frames
    assert seen.sounds
    assert not seen.broke
    assert differences(seen, shown(path, "mp4")) == ""


def test_other_bytes_with_the_same_content_are_no_difference(tmp_path: Path) -> None:
    film, copy = tmp_path / "film.mkv", tmp_path / "copy.mkv"
    X264_AAC(film, Draw.of("truth"))
    run("-i", film, "-c", "copy", "-metadata", "title=another", copy)

    assert film.read_bytes() != copy.read_bytes()
    assert differences(shown(film, "mkv"), shown(copy, "mkv")) == ""


@pytest.mark.parametrize("extension", ["webp", "png", "gif"])
def test_an_animation_cut_in_half_shows_less(tmp_path: Path, extension: str) -> None:
    whole, half = tmp_path / f"whole.{extension}", tmp_path / f"half.{extension}"
    animation("P" if extension == "gif" else "RGB")(whole, Draw.of("truth"))
    data = whole.read_bytes()
    half.write_bytes(data[: len(data) // 2])

    assert differences(shown(whole, extension), shown(half, extension))


def test_one_changed_sample_is_another_sound(tmp_path: Path) -> None:
    before, after = tmp_path / "before.wav", tmp_path / "after.wav"
    heard("-c:a", "pcm_s16le")(before, Draw.of("truth"))
    data = bytearray(before.read_bytes())
    data[len(data) // 2] ^= 1
    after.write_bytes(data)

    assert differences(shown(before, "wav"), shown(after, "wav")) == "sound differs"


def test_differences_are_told_in_words() -> None:
    was = Shown(("a", "b", "c"), ("s",), ("0", "1", "2"))

    assert differences(was, Shown(("a", "x"), ("s",), ("0", "1", "2"))) == (
        "2 of 3 pictures, 1 pictures differ"
    )
    assert differences(was, Shown(was.pictures, was.sounds, ("0", "1", "9"))) == "times differ"
    assert differences(was, Shown(was.pictures, (), was.times, True)) == (
        "sound differs, decoder gave up"
    )
