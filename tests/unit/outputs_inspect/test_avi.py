"""AVI: odd files that are legal pass, and indexes and counts that contradict are named."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from .conftest import FRAMES, H264, VIDEO, make
from .structures import Change, after, changed, check, words

SOUND_FILES = {
    "usual.avi": f"{VIDEO} -f lavfi -i sine=duration=0.5 -c:v mpeg4 -bf 2 -c:a libmp3lame",
    "h264.avi": f"{VIDEO} {H264}",
    "plain.avi": f"{VIDEO} -f lavfi -i sine=duration=0.5 -c:v mjpeg -c:a pcm_s16le",
    "raw.avi": f"{VIDEO} -c:v rawvideo -pix_fmt bgr24",
    "palette.avi": f"{VIDEO} -c:v rawvideo -pix_fmt pal8",
    "two.avi": f"{VIDEO} {VIDEO} -map 0 -map 1 -c:v mpeg4",
    "gaps.avi": f"{VIDEO} {H264} -vf setpts=PTS+gte(N\\,6)*2/TB -fps_mode passthrough",
}


@pytest.mark.parametrize("name", SOUND_FILES)
def test_an_odd_file_that_is_legal_is_not_blamed(tmp_path: Path, name: str) -> None:
    """An empty chunk, which repeats a picture, is none that is declared."""
    seen = check(make(tmp_path / name, SOUND_FILES[name]))
    assert seen.defects == ()
    assert seen.declared_frames == FRAMES


CHANGES: dict[str, tuple[Change, str]] = {
    "an offset": (
        lambda data: after(data, b"idx1", 4 + 16 + 8, struct.pack("<I", 5)),
        "entry 1 of the index names a chunk at byte ",
    ),
    "a size": (
        lambda data: after(data, b"idx1", 4 + 12, struct.pack("<I", 5)),
        "entry 0 of the index names a chunk at byte ",
    ),
    "a name": (
        lambda data: after(data, b"movi", 0, b"01wb"),
        "entry 0 of the index names a chunk at byte ",
    ),
    "no rate": (
        lambda data: after(data, b"strh", 4 + 24, bytes(4)),
        "the stream of pictures declares 0 frames per second",
    ),
    "more than there are": (
        lambda data: after(data, b"strh", 4 + 32, struct.pack("<I", 15)),
        "12 of 15 pictures are in it",
    ),
    "cut": (lambda data: data[:-5], "RIFF cut off: "),
    "tail": (lambda data: data + b"tail", "4 bytes of something else at byte "),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_contradiction_is_named(tmp_path: Path, change: str) -> None:
    alter, expected = CHANGES[change]
    path = make(tmp_path / "a.avi", f"{VIDEO} -c:v mjpeg")
    assert changed(path, alter)[0].startswith(expected)


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def written(index_base: int, size: int, count: int = 1, kind: int = 1) -> bytes:
    """A file as OpenDML has it: one picture, and an index of it inside `movi`."""
    header = b"vids" + bytes(16) + struct.pack("<4I", 1, 24, 0, 1) + bytes(20)
    streams = chunk(b"LIST", b"strl" + chunk(b"strh", header))
    head = chunk(b"LIST", b"hdrl" + streams)
    picture = chunk(b"00dc", b"picture!")
    place = 12 + len(head) + 12 + index_base
    entry = struct.pack("<II", 8, size)
    index = struct.pack("<HBBI4sQI", 2, 0, kind, count, b"00dc", place, 0) + entry
    movi = chunk(b"LIST", b"movi" + picture + chunk(b"ix00", index))
    return chunk(b"RIFF", b"AVI " + head + movi)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (written(0, 8), None),
        (written(0, 8 | 0x80000000), None),
        (written(5, 9, kind=0), None),
        (written(2, 8), "the index names a chunk at byte "),
        (written(0, 9), "the index names a chunk at byte "),
        (written(0, 8, count=2**30), "index at byte "),
    ],
)
def test_the_index_inside_names_what_is_there(
    tmp_path: Path, data: bytes, expected: str | None
) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(data)
    said = words(path)
    assert said == [] if expected is None else said[0].startswith(expected)


def test_a_chunk_without_a_name_is_named_by_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(written(0, 8).replace(b"00dc\x08", b"\0\0\1\2\x08"))
    (defect,) = check(path).defects
    assert defect.detail == f"no chunk at byte {defect.offset}, where one must begin"
