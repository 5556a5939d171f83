"""PNG: checksums with their place, and the chunks of an animation."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reconciler.outputs.containers.base import Structure
from reconciler.outputs.inspect import inspect

from .conftest import FRAMES, make, pictures
from .test_containers import check
from .test_jpeg import scene

Chunks = list[tuple[bytes, bytes]]
Change = Callable[[Chunks], Chunks]


def split(data: bytes) -> Chunks:
    found, at = [], 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def joined(chunks: Chunks) -> bytes:
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        data += struct.pack(">I", len(body)) + kind + body + crc
    return data


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
@pytest.mark.parametrize("how", [{}, {"optimize": True}, {"compress_level": 0}], ids=str)
def test_a_png_of_any_kind_is_sound(tmp_path: Path, mode: str, how: dict[str, Any]) -> None:
    for size in ((200, 150), (1, 1)):
        gray = mode == "I;16"
        picture = Image.new(mode, size, 500) if gray else scene(size).convert(mode)
        picture.save(tmp_path / "a.png", **how)
        assert inspect(tmp_path / "a.png").defects == ()


@pytest.mark.parametrize(
    "how",
    [{"disposal": 1}, {"disposal": 2}, {"blend": 1}, {"default_image": True}, {"duration": 40}],
    ids=str,
)
def test_an_animation_of_pillow_is_sound(tmp_path: Path, how: dict[str, Any]) -> None:
    first, *rest = pictures()
    first.save(tmp_path / "a.png", save_all=True, append_images=rest, **how)
    frames = FRAMES - 1 if "default_image" in how else FRAMES
    assert check(tmp_path / "a.png") == Structure(declared_frames=frames)


def test_an_animation_of_ffmpeg_is_sound(tmp_path: Path) -> None:
    recipe = "-f lavfi -i testsrc2=size=64x48:rate=10:duration=1 -f apng"
    seen = inspect(make(tmp_path / "a.apng", recipe))
    assert (seen.defects, seen.frames) == ((), 10)


def without(kind: bytes, number: int) -> Change:
    def change(chunks: Chunks) -> Chunks:
        places = [at for at, chunk in enumerate(chunks) if chunk[0] == kind]
        return chunks[: places[number]] + chunks[places[number] + 1 :]

    return change


def moved(chunks: Chunks) -> Chunks:
    """The second frame begins a pixel further to the right."""
    places = [at for at, chunk in enumerate(chunks) if chunk[0] == b"fcTL"]
    body = bytearray(chunks[places[1]][1])
    body[12:16] = struct.pack(">I", 64)
    return [*chunks[: places[1]], (b"fcTL", bytes(body)), *chunks[places[1] + 1 :]]


CHANGES: dict[str, tuple[Change, str]] = {
    "no header": (without(b"IHDR", 0), "IHDR chunk missing at the start"),
    "frame data": (without(b"fdAT", 2), "animation chunk 7 where 6 is due: chunks are missing"),
    "frame": (without(b"fcTL", 3), "animation chunk 6 where 5 is due: chunks are missing"),
    "place": (moved, "frame 2 lies outside the picture"),
    "last frame": (
        lambda chunks: [*chunks[:-3], chunks[-1]],
        f"{FRAMES - 1} of {FRAMES} frames are there",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_animation_with_something_missing_is_unsound(
    gallery: Path, tmp_path: Path, change: str
) -> None:
    alter, expected = CHANGES[change]
    chunks = split((gallery / "moving.png").read_bytes())
    (tmp_path / "a.png").write_bytes(joined(alter(chunks)))
    (defect,) = check(tmp_path / "a.png").defects
    assert defect.detail == expected
    assert defect.offset is not None


def test_a_checksum_that_is_wrong_is_told_with_its_place(gallery: Path, tmp_path: Path) -> None:
    data = (gallery / "still.png").read_bytes()
    at = data.index(b"IDAT") + 50
    (tmp_path / "a.png").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    (defect,) = check(tmp_path / "a.png").defects
    assert defect.offset == at - 54
    (tmp_path / "a.png").write_bytes(data[:-12])
    (defect,) = check(tmp_path / "a.png").defects
    assert (defect.detail, defect.offset) == ("IEND chunk missing: cut off", len(data) - 12)
