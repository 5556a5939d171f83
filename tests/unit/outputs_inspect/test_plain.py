"""BMP and TIFF: what their headers say of the file."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from reconciler.outputs.containers.base import Structure
from reconciler.outputs.inspect import inspect

from .test_containers import check, words
from .test_jpeg import scene

WHOLE = Structure(has_video=False)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
@pytest.mark.parametrize("name", ["a.bmp", "a.tiff"])
def test_a_picture_of_pillow_is_sound(tmp_path: Path, name: str, mode: str) -> None:
    scene((37, 53)).convert(mode).save(tmp_path / name)
    assert inspect(tmp_path / name).defects == ()


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_compressed_tiff_is_sound_and_cut_is_not(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tiff"
    scene().save(path, compression=compression)
    assert inspect(path).defects == ()
    data = path.read_bytes()
    for share in (0.1, 0.5, 0.95):
        path.write_bytes(data[: int(len(data) * share)])
        assert not inspect(path).sound


def test_a_bmp_is_as_long_as_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    scene((37, 53)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:-9])
    assert words(path) == [f"cut off: {len(data) - 9} of {len(data)} bytes"]
    path.write_bytes(data + b"tail")
    assert words(path) == ["4 bytes of something else after the end"]
    path.write_bytes(data[:10] + struct.pack("<I", 2**20) + data[14:])
    assert words(path) == ["pixels declared at byte 1048576, behind the end"]
    path.write_bytes(data[:2] + bytes(4) + data[6:])
    assert check(path) == WHOLE


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_has_a_directory_inside(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.tiff"
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    whole = head + struct.pack(f"{order}IH", 8, 1) + bytes(12)
    path.write_bytes(whole)
    assert check(path) == WHOLE
    path.write_bytes(whole[:-1])
    assert words(path)[0].startswith("the file ends at byte 21")
    path.write_bytes(head + struct.pack(f"{order}I", 2**31) + bytes(12))
    assert words(path)[0].startswith("the file ends at byte 20")
