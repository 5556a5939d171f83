"""WebP: chunks against what the header promises, and pictures whose data is used up."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reconciler.outputs.containers import webp_codes
from reconciler.outputs.containers.base import Structure
from reconciler.outputs.inspect import inspect

from .conftest import FRAMES, make, pictures
from .test_containers import after, check, words
from .test_jpeg import scene

Studio = Callable[[str], Path]


def saved(picture: Image.Image, **how: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, "WEBP", **how)
    return data.getvalue()


def drawings() -> dict[str, Image.Image]:
    noise = Image.effect_noise((90, 70), 90)
    return {
        "scene": scene(),
        "odd": scene((37, 53)),
        "one pixel": Image.new("RGB", (1, 1), "red"),
        "thin": scene((300, 3)),
        "high": scene((3, 300)),
        "flat": Image.new("RGB", (300, 300)),
        "gradient": Image.linear_gradient("L").convert("RGB"),
        "two colors": scene().convert("1").convert("RGB"),
        "palette": scene().quantize(16).convert("RGB"),
        "alpha": Image.merge("RGBA", (*scene((90, 70)).split(), noise)),
        "clear": Image.new("RGBA", (90, 70), (0, 0, 0, 0)),
    }


@pytest.mark.parametrize("name", drawings())
@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_of_any_kind_is_whole(tmp_path: Path, name: str, lossless: bool) -> None:
    path, picture = tmp_path / "a.webp", drawings()[name]
    for quality, method in ((0, 0), (0, 6), (80, 4), (100, 0), (100, 6)):
        picture.save(path, quality=quality, method=method, lossless=lossless)
        assert check(path) == Structure(has_video=False), (quality, method)


@pytest.mark.parametrize("how", [{"exact": True}, {"exif": b"Exif\0\0x"}, {"icc_profile": b"x"}])
def test_what_comes_beside_the_picture_is_no_damage(tmp_path: Path, how: dict[str, Any]) -> None:
    scene().save(tmp_path / "a.webp", **how, xmp=b"<x/>")
    assert words(tmp_path / "a.webp") == []


@pytest.mark.parametrize("how", ["", "-lossless 1", "-c:v libwebp_anim", "-quality 1"])
def test_a_webp_of_ffmpeg_is_whole(tmp_path: Path, how: str) -> None:
    recipe = f"-f lavfi -i testsrc2=size=200x150:rate=10:duration=0.5 {how}"
    seen = check(make(tmp_path / "a.webp", recipe))
    assert (seen.defects, seen.declared_frames) == ((), 5)


@pytest.mark.parametrize("slices", ["1", "8"])
def test_a_picture_of_another_encoder_is_whole(tmp_path: Path, slices: str) -> None:
    """libvpx ends its partitions by four bytes more than are needed."""
    recipe = "-f lavfi -i testsrc2=size=320x240 -frames:v 1 -c:v libvpx -b:v 2M"
    ivf = make(tmp_path / "a.ivf", recipe, "-slices", slices).read_bytes()
    frame = ivf[32 + 12 :]
    body = b"WEBPVP8 " + struct.pack("<I", len(frame)) + frame + bytes(len(frame) % 2)
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert words(tmp_path / "a.webp") == []


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_an_animation_is_whole(tmp_path: Path, lossless: bool, mixed: bool) -> None:
    first, *rest = pictures()
    how = {"lossless": lossless, "allow_mixed": mixed, "duration": 50}
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, **how)
    assert check(tmp_path / "a.webp") == Structure(declared_frames=FRAMES)


def test_a_flipped_bit_of_lossy_data_is_found(tmp_path: Path) -> None:
    """Nearly always: what follows may need as many bytes as before, by chance."""
    data, chance, path = saved(scene((300, 200))), random.Random(7), tmp_path / "a.webp"
    found = 0
    for _ in range(25):
        at = chance.randrange(len(data) // 10, len(data) - 100)
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        found += not inspect(path).sound
    assert found >= 23


def test_damage_to_one_frame_names_it(gallery: Path, tmp_path: Path) -> None:
    data = (gallery / "moving.webp").read_bytes()
    at = 0
    for _ in range(5):
        at = data.index(b"ANMF", at + 1)
    broken = data[: at + 200] + bytes(60) + data[at + 260 :]
    (tmp_path / "a.webp").write_bytes(broken)
    (defect,) = check(tmp_path / "a.webp").defects
    assert defect.detail == "frame 5: the picture's data is damaged: more than its codes need"
    assert defect.offset is not None and at < defect.offset < at + 60


def test_what_contradicts_the_header_is_told(gallery: Path, tmp_path: Path) -> None:
    moving = (gallery / "moving.webp").read_bytes()
    still, lossless = saved(scene((64, 48))), saved(scene((64, 48)), lossless=True)
    first_frame = moving.index(b"ANMF")
    cases = {
        after(moving, b"VP8X", 8, b"\x3e\0\0"): "frame 1: outside the canvas",
        after(moving, b"ANMF", 4 + 3, b"\1\0\0"): "frame 1: outside the canvas",
        moving.replace(b"EXIF", b"JUNK"): "EXIF chunk missing, which the header promises",
        moving[:first_frame] + moving[first_frame:].replace(b"VP8 ", b"JUNK", 1): (
            "frame 1: no picture in it"
        ),
        after(moving, b"VP8 ", 4 + 6, b"\x3f\0"): (
            "frame 1: 63 x 48 pixels where 64 x 48 are declared"
        ),
        after(still, b"VP8 ", 4, b"\x11"): "no key frame where one must be",
        after(still, b"VP8 ", 4 + 3, b"\x9e"): "no key frame where one must be",
        after(still, b"VP8 ", 4, b"\x10\xff\xff"): "a first partition of 524280 bytes where",
        after(lossless, b"VP8L", 4, b"\x2e"): "no header of a lossless picture where one",
        still[:-60]: "RIFF cut off: ",
        still + b"tail": "4 bytes of something else after the end",
    }
    for data, expected in cases.items():
        (tmp_path / "a.webp").write_bytes(data)
        assert words(tmp_path / "a.webp")[0].startswith(expected)


def test_a_picture_made_to_fill_the_memory_is_not_decoded_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webp_codes, "MAX_PIXELS", 100)
    monkeypatch.setattr(webp_codes, "_decodes", pytest.fail)
    scene().save(tmp_path / "a.webp")
    assert words(tmp_path / "a.webp") == []
