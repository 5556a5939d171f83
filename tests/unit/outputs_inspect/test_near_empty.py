"""A still that is one color, or nearly, is told of where that is wanted; and stays sound."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from reconciler.outputs.inspect import inspect
from reconciler.outputs.wanted import Wanted

WANTED = Wanted(thumbnail=False, near_empty=True)


def told(path: Path, wanted: Wanted = WANTED) -> list[str]:
    inspection = inspect(path, wanted=wanted)
    assert inspection.sound
    return [warning.kind for warning in inspection.warnings]


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tiff"])
def test_one_color(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.new("RGB", (64, 64), (30, 30, 30)).save(path)
    assert told(path) == ["near_empty"]
    assert told(path, Wanted()) == []


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_one_color_in_every_mode(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (64, 64)).save(tmp_path / "a.png")
    assert told(tmp_path / "a.png") == ["near_empty"]


def test_a_picture_is_not_empty(tmp_path: Path) -> None:
    picture = Image.effect_noise((64, 64), 90)
    picture.save(tmp_path / "noise.png")
    picture.convert("RGB").save(tmp_path / "noise.jpg")
    small = Image.new("RGB", (64, 64))
    small.paste(picture.crop((0, 0, 16, 16)), (24, 24))
    small.save(tmp_path / "small.png")
    for name in ("noise.png", "noise.jpg", "small.png"):
        assert told(tmp_path / name) == []


def test_what_moves_is_no_still(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in (0, 40, 80)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert told(tmp_path / "a.webp") == []
