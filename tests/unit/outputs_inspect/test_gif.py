"""GIF: blocks, and code streams that give as many pixels as their pictures have."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from reconciler.outputs.containers import gif_codes
from reconciler.outputs.containers.base import Structure

from .conftest import FRAMES, VIDEO, make, pictures
from .test_containers import check, words

Studio = Callable[[str], Path]


def codes_of(data: bytes, number: int) -> tuple[int, int]:
    """The first and last byte of the first sub-block of one picture of a gif of Pillow's."""
    at = 0
    for _ in range(number):
        at = data.index(b"\x2c\0\0\0\0\x40\0\x30\0", at + 1)
    flags = data[at + 9]
    first = at + 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    return first + 1, first + data[first]


@pytest.fixture
def moving(tmp_path: Path) -> bytes:
    first, *rest = [image.convert("P") for image in pictures()]
    first.save(tmp_path / "m.gif", save_all=True, append_images=rest, optimize=False)
    return (tmp_path / "m.gif").read_bytes()


@pytest.mark.parametrize(
    "how",
    [{"interlace": True}, {"interlace": False}, {"transparency": 0}, {"optimize": True}],
    ids=str,
)
@pytest.mark.parametrize("mode", ["P", "L", "1"])
@pytest.mark.parametrize("size", [(64, 48), (1, 1), (3, 2), (300, 1), (1, 300)])
def test_a_gif_of_any_kind_is_whole(
    tmp_path: Path, how: dict[str, int], mode: str, size: tuple[int, int]
) -> None:
    picture = Image.effect_noise(size, 90).convert(mode)
    picture.save(tmp_path / "a.gif", **how)
    assert check(tmp_path / "a.gif") == Structure(declared_frames=1)


@pytest.mark.parametrize("value", [0, 255])
def test_a_gif_of_one_color_is_whole(tmp_path: Path, value: int) -> None:
    """Its pixels may well be those that the picture is filled with beforehand."""
    Image.new("L", (64, 48), value).save(tmp_path / "a.gif")
    assert words(tmp_path / "a.gif") == []


PALETTE = "-vf split[a][b];[a]palettegen[p];[b][p]paletteuse"


@pytest.mark.parametrize("filters", ["", "-gifflags 0", PALETTE])
def test_a_gif_of_ffmpeg_is_whole(tmp_path: Path, filters: str) -> None:
    assert check(make(tmp_path / "a.gif", f"{VIDEO} {filters}")).defects == ()


def test_fewer_and_more_pixels_than_a_picture_has_are_noticed(
    moving: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.gif"
    at = moving.index(b"\x2c\0\0\0\0\x40\0\x30\0")
    for height, expected in ((49, "fewer"), (47, "more")):
        path.write_bytes(moving[: at + 7] + bytes([height]) + moving[at + 8 :])
        (defect,) = check(path).defects
        assert defect.detail == f"picture 1: its codes give {expected} pixels than it has"
        assert defect.offset == at


def test_damage_in_the_codes_of_any_picture_is_noticed(moving: bytes, tmp_path: Path) -> None:
    chance, path = random.Random(5), tmp_path / "a.gif"
    for _ in range(40):
        number = chance.randrange(1, FRAMES + 1)
        first, last = codes_of(moving, number)
        at = chance.randrange(first, last - 40)
        path.write_bytes(moving[:at] + bytes(40) + moving[at + 40 :])
        (defect,) = check(path).defects
        assert defect.detail.startswith(f"picture {number}: ")
        assert check(path).declared_frames == FRAMES


def test_codes_of_no_bits_and_pictures_of_no_pixels_are_refused(
    moving: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.gif"
    first, _ = codes_of(moving, 1)
    path.write_bytes(moving[: first - 2] + b"\x0c" + moving[first - 1 :])
    assert words(path) == ["picture 1: codes of 12 bits, where 2 to 8 are possible"]
    at = moving.index(b"\x2c\0\0\0\0\x40\0\x30\0")
    path.write_bytes(moving[: at + 5] + bytes(2) + moving[at + 7 :])
    assert words(path) == ["picture 1: 0 x 48 pixels"]


def test_a_picture_made_to_fill_the_memory_is_not_drawn(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gif_codes, "MAX_PIXELS", 0)
    monkeypatch.setattr(gif_codes, "_drawn", pytest.fail)
    assert words(studio("moving.gif")) == []
