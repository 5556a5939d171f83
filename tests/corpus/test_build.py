"""A corpus is the same for the same seed, holds enough that is sound, and damages what it says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.corpus.build import DAMAGED_EACH, ODD, SPLITS, VARIANTS, build
from tests.corpus.cases import INDEX, SOUND, Case, Truth, read_index
from tests.corpus.pristine import recipes

#: One of each container, the fast ones.
FEW = frozenset({"mp4-h264", "webm-vp8", "gif", "png", "webp-animated", "wav-s16", "opus"})

#: What the whole corpus has of special damage, and these few recipes have not, at most.
SPECIAL = 25


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Case]]:
    folder = tmp_path_factory.mktemp("corpus")
    return folder, build(folder, 11, "work", FEW)


def _contents(folder: Path) -> dict[bytes, bytes]:
    names = (name for name in os.listdir(os.fsencode(folder)) if os.fsdecode(name) != INDEX)
    return {name: (folder / os.fsdecode(name)).read_bytes() for name in names}


def test_the_same_seed_gives_the_same_bytes_and_index(
    made: tuple[Path, list[Case]], tmp_path: Path
) -> None:
    folder, cases = made

    assert build(tmp_path, 11, "work", FEW) == cases
    assert _contents(tmp_path) == _contents(folder)
    assert read_index(folder) == cases


def test_the_splits_and_seeds_share_no_picture(tmp_path: Path) -> None:
    contents = []
    for seed, split in ((1, SPLITS[0]), (1, SPLITS[1]), (2, SPLITS[0])):
        folder = tmp_path / f"{seed}{split}"
        cases = build(folder, seed, split, frozenset({"png"}))
        contents.append({(folder / each.path).read_bytes() for each in cases if each.frames})

    first, second, third = (each - {b""} for each in contents)
    assert first and not first & second and not first & third


def test_two_of_five_files_are_sound_in_the_whole_corpus(
    made: tuple[Path, list[Case]],
) -> None:
    """Counted from the recipes: the whole corpus is too large for a test."""
    _, cases = made
    able, unable = recipes()
    odd = sum("-odd-" in each.name for each in able)
    sound = VARIANTS * (len(able) - odd) + ODD * odd
    damaged = DAMAGED_EACH * (len(able) - odd) + ODD * odd
    few = len(FEW)
    rest = [each.truth is Truth.SOUND for each in cases[few * (VARIANTS + DAMAGED_EACH) :]]

    assert not unable
    assert (sound + sum(rest)) / (sound + damaged + len(rest) + SPECIAL) >= 0.4


def test_every_container_and_codec_that_was_asked_for_has_recipes() -> None:
    able, _ = recipes()
    endings = {each.extension for each in able}
    codecs = {each.codec for each in able}

    assert endings >= {"mp4", "mov", "mkv", "webm", "avi", "ts", "gif", "webp", "png", "jpg"}
    assert endings >= {"wav", "flac", "mp3", "opus"}
    assert codecs >= {"h264", "hevc", "av1", "vp9", "vp8", "prores", "ffv1"}


def test_every_damaged_file_differs_from_its_pristine_form(made: tuple[Path, list[Case]]) -> None:
    folder, cases = made
    # A name that lies, and a number that nobody kept, leave the bytes as they were.
    same = {"wrong extension", "frames missing", "frames doubled"}
    changed = [each for each in cases if each.pristine and each.truth is not Truth.SOUND]

    assert changed
    for each in changed:
        is_same = (folder / each.path).read_bytes() == (folder / (each.pristine or "")).read_bytes()
        assert is_same == (each.damage in same), each


def test_what_is_sound_has_no_damage_and_odd_names_are_among_it(
    made: tuple[Path, list[Case]],
) -> None:
    _, cases = made
    sound = [each for each in cases if each.truth is Truth.SOUND]
    names = "".join(each.path for each in sound)

    assert {each.damage for each in sound} == {SOUND}
    assert all(character in names for character in (" ", '"', "\n", ":", "\udcff", "\U0001f3ac"))
    assert any(each.path.startswith("-") for each in sound)
    assert all((each.frames is None) == (each.media == "audio") for each in sound)
