"""JPEG: markers, restarts, and damage in the coded data that Pillow says nothing of."""

from __future__ import annotations

import io
import random
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reconciler.outputs.containers import jpeg
from reconciler.outputs.containers.base import Structure
from reconciler.outputs.inspect import inspect

from .conftest import make
from .test_containers import check, words

KINDS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "each block": {"restart_marker_blocks": 1},
    "optimized": {"optimize": True},
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "rgb": {"keep_rgb": True},
    "best": {"quality": 100},
    "worst": {"quality": 1},
    "profile": {"icc_profile": b"\xff\xd8\xff\xd9\xff\xda" * 20000},
    "comment": {"comment": b"\xff\xd8 a comment \xff\xd9"},
}


def scene(size: tuple[int, int] = (200, 150)) -> Image.Image:
    """A drawing and noise: neither all flat, nor all random."""
    drawn = Image.effect_mandelbrot(size, (-2, -1.2, 1, 1.2), 60).convert("RGB")
    return Image.blend(drawn, Image.effect_noise(size, 60).convert("RGB"), 0.3)


def saved(picture: Image.Image, **how: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, "JPEG", **how)
    return data.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(200, 150), (37, 53)])
def test_a_jpeg_of_any_kind_is_sound(
    tmp_path: Path, kind: str, mode: str, size: tuple[int, int]
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(scene(size).convert(mode), **KINDS[kind]))
    assert inspect(path).defects == ()


@pytest.mark.parametrize("how", ["", "-q:v 31", "-huffman default", "-pix_fmt yuvj444p"])
def test_a_jpeg_of_ffmpeg_is_sound(tmp_path: Path, how: str) -> None:
    recipe = f"-f lavfi -i testsrc2=size=200x150 -frames:v 1 {how}"
    assert inspect(make(tmp_path / "a.jpg", recipe, "-update", "1")).defects == ()


def test_a_thumbnail_inside_is_no_end_and_no_damage(tmp_path: Path) -> None:
    small = saved(scene((80, 60)))
    entries = struct.pack("<HHIIHHIII", 0x201, 4, 1, 44, 0x202, 4, 1, len(small), 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\x0e\0\0\0\x02\0" + entries + small
    (tmp_path / "a.jpg").write_bytes(saved(scene(), exif=exif))
    assert inspect(tmp_path / "a.jpg").defects == ()


def test_filler_before_markers_and_further_pictures_are_legal(tmp_path: Path) -> None:
    data = saved(scene())
    (tmp_path / "a.jpg").write_bytes(data[:2] + b"\xff\xff" + data[2:-2] + b"\xff\xff\xff\xd9")
    assert check(tmp_path / "a.jpg") == Structure(has_video=False)
    scene().save(tmp_path / "b.jpg", "MPO", save_all=True, append_images=[scene((20, 20))])
    seen = inspect(tmp_path / "b.jpg")
    assert (seen.defects, seen.frames, seen.media) == ((), 1, "image")


@pytest.mark.parametrize("kind", ["plain", "progressive", "restarts", "optimized"])
def test_a_hole_in_the_coded_data_is_found(tmp_path: Path, kind: str) -> None:
    """Most of the time: what is left may decode to another picture without any contradiction."""
    data, chance, found = saved(scene((600, 450)), **KINDS[kind]), random.Random(kind), 0
    for _ in range(10):
        at = chance.randrange(len(data) // 4, len(data) - 2000)
        (tmp_path / "a.jpg").write_bytes(data[:at] + chance.randbytes(500) + data[at + 500 :])
        found += not inspect(tmp_path / "a.jpg").sound
    assert found >= 9


def test_the_decoder_s_words_are_told(tmp_path: Path) -> None:
    data = saved(scene((600, 450)))
    (tmp_path / "a.jpg").write_bytes(data[:9000] + bytes(900) + data[9900:])
    (defect,) = inspect(tmp_path / "a.jpg").defects
    assert defect.kind == "decode"
    # Which complaint comes first depends on the decoder's version.
    assert re.match(r"damaged picture data \(mjpeg: (error |overread )", defect.detail)


@pytest.mark.parametrize("step", [64 * 1024, 7])
def test_restarts_follow_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(jpeg, "STEP_BYTES", step)
    data, path = saved(scene(), restart_marker_blocks=3), tmp_path / "a.jpg"
    path.write_bytes(data)
    assert words(path) == []
    lost, following = data.index(b"\xff\xd2"), data.index(b"\xff\xd3")
    path.write_bytes(data[:lost] + data[following:])
    (defect,) = check(path).defects
    assert defect.detail == "restart 3 where 2 is due: data lost or damaged"
    assert defect.offset == lost


def test_a_picture_without_frame_or_scan_is_none(tmp_path: Path) -> None:
    data, path = saved(scene()), tmp_path / "a.jpg"
    path.write_bytes(data.replace(b"\xff\xc0", b"\xff\xe9", 1))
    assert words(path) == ["no picture in it: frame header missing"]
    path.write_bytes(data[: data.index(b"\xff\xda")] + b"\xff\xd9")
    assert words(path) == ["no picture in it: scan missing"]
    path.write_bytes(data + b"tail")
    (defect,) = check(path).defects
    assert (defect.detail[:7], defect.offset) == ("4 bytes", len(data))
