"""MP3: the chain of frames, what stands around it, and what its first frame declares of it."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.outputs.containers.base import Structure
from reconciler.outputs.containers.crc16 import BLOCK_BYTES, crc16
from reconciler.outputs.containers.mp3_frames import read_frame
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.inspection import Defect

from .conftest import SOUND, make
from .test_containers import check, words

WHOLE = Structure(has_video=False)
STEREO = "-f lavfi -i aevalsrc=sin(440*t)|sin(300*t):d=1"
BARE = "-write_xing 0 -id3v2_version 0"

Make = Callable[[str], bytes]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    return lambda recipe: make(tmp_path / "made.mp3", recipe).read_bytes()


@pytest.mark.parametrize(
    "how",
    [
        *("", "-q:a 4", "-b:a 320k", "-b:a 32k", "-ar 32000", "-ar 22050", "-ar 8000", "-ac 1"),
        *(BARE, "-write_id3v1 1", "-id3v2_version 4", "-abr 1 -b:a 150k", "-joint_stereo 0"),
        *("-f mp2", "-f mp2 -ac 1 -b:a 64k", "-metadata_header_padding 5000"),
    ],
)
def test_an_mp3_of_any_kind_is_whole(tmp_path: Path, how: str) -> None:
    assert check(make(tmp_path / "a.mp3", f"{STEREO} {how}")) == WHOLE


def test_an_mp3_from_a_pipe_declares_nothing_and_is_whole(tmp_path: Path) -> None:
    command = [ffmpeg(), "-v", "error", *SOUND.split(), "-f", "mp3", "pipe:1"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    assert b"Info" not in data and b"Xing" not in data
    (tmp_path / "a.mp3").write_bytes(data)
    assert check(tmp_path / "a.mp3") == WHOLE


APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (52).to_bytes(4, "little") + bytes(16)
HEADED_APE = APE[:20] + b"\0\0\0\x80" + bytes(8)
TAILS = {
    "id3v1": b"TAG" + bytes(125),
    "enhanced": b"TAG+" + bytes(223) + b"TAG" + bytes(125),
    "ape": b"x" * 20 + APE,
    "ape with header": APE[:20] + b"\0\0\0\xa0" + bytes(8) + b"x" * 20 + HEADED_APE,
    "lyrics": b"LYRICSBEGIN" + b"x" * 9 + b"000020LYRICS200",
    "ape and id3v1": b"x" * 20 + APE + b"TAG" + bytes(125),
    "id3v2 footer": b"ID3\4\0\x10\0\0\1\0" + bytes(128) + b"3DI\4\0\x10\0\0\1\0",
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("how", ["", BARE])
def test_tags_at_the_end_are_no_damage(made: Make, tmp_path: Path, tail: str, how: str) -> None:
    data = made(f"{STEREO} {how}")
    (tmp_path / "a.mp3").write_bytes(data + TAILS[tail])
    assert check(tmp_path / "a.mp3") == WHOLE


def test_two_files_joined_are_no_damage(made: Make, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(made(STEREO) + made(f"{SOUND} -b:a 64k"))
    assert check(tmp_path / "a.mp3") == WHOLE


def test_zeros_between_the_tag_and_the_first_frame_are_no_damage(
    made: Make, tmp_path: Path
) -> None:
    data = made(f"{STEREO} -write_xing 0")
    tag = data.index(b"\xff\xfb")
    (tmp_path / "a.mp3").write_bytes(data[:tag] + bytes(3000) + data[tag:])
    assert check(tmp_path / "a.mp3") == WHOLE


def test_one_flipped_bit_is_found_where_there_is_a_checksum(made: Make, tmp_path: Path) -> None:
    data, chance, path = made(STEREO), random.Random(3), tmp_path / "a.mp3"
    for _ in range(25):
        at = chance.randrange(len(data) // 4, len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        assert words(path)


def test_every_way_to_be_short_is_told_with_its_place(made: Make, tmp_path: Path) -> None:
    data, path = made(f"{STEREO} -b:a 128k"), tmp_path / "a.mp3"
    start = data.index(b"\xff\xfb")
    size = read_frame(data[start : start + 4])
    assert size is not None
    last = start
    while last + (step := read_frame(data[last : last + 4]).size_bytes) < len(data):  # type: ignore[union-attr]
        last += step
    cases = {
        data[:-1]: ("frame cut off: ", last),
        data[:last]: (f"{last - start} of {len(data) - start} bytes of frames", last),
        data + b"junk": ("no frame at byte", len(data)),
        data[: last - 7] + data[last:]: ("no frame at byte", None),
        data[: start + 4 * size.size_bytes]: ("", None),
        data[:start] + bytes(50): ("no frame behind its tags", start + 50),
        data + b"ID3": ("tag cut off", len(data)),
        data + b"ID3\4\0\0\0\0\1\0": ("tag cut off", len(data)),
    }
    for changed, (expected, offset) in cases.items():
        path.write_bytes(changed)
        (defect,) = check(path).defects
        assert defect.detail.startswith(expected)
        assert offset is None or defect.offset == offset


def test_frames_that_were_declared_and_are_missing_are_counted(made: Make, tmp_path: Path) -> None:
    """With the number of bytes unknown, as some encoders leave it."""
    data, path = made(STEREO), tmp_path / "a.mp3"
    at = data.index(b"Info")
    frames = int.from_bytes(data[at + 8 : at + 12], "big")
    more = (frames + 3).to_bytes(4, "big")
    path.write_bytes(data[: at + 8] + more + bytes(4) + data[at + 16 :])
    assert words(path) == [f"{frames} of {frames + 3} frames: the rest is missing"]


@pytest.mark.parametrize(
    ("header", "size_bytes", "rate_hz"),
    [
        ("fffb9064", 417, 44100),
        ("fffb9264", 418, 44100),
        ("fff38064", 208, 22050),
        ("ffe38064", 417, 11025),
        ("fffd8404", 384, 48000),
        ("ffff8404", 256, 48000),
        ("fffb0064", 0, 44100),
    ],
)
def test_a_header_tells_the_size_of_its_frame(header: str, size_bytes: int, rate_hz: int) -> None:
    frame = read_frame(bytes.fromhex(header))
    assert frame is not None and (frame.size_bytes, frame.rate_hz) == (size_bytes, rate_hz)


@pytest.mark.parametrize("header", ["00000000", "ffeb9064", "fff99064", "fffbf064", "fffb9c64"])
def test_what_is_no_header_is_none(header: str) -> None:
    assert read_frame(bytes.fromhex(header)) is None


def test_a_free_format_is_left_to_the_decoder(made: Make, tmp_path: Path) -> None:
    data = made(f"{STEREO} {BARE}")
    free = data[:2] + bytes([data[2] & 0xF]) + data[3:]
    (tmp_path / "a.mp3").write_bytes(b"ID3\4\0\0\0\0\0\0" + free + b"x")
    assert check(tmp_path / "a.mp3") == WHOLE


def test_a_checksum_by_blocks_is_that_by_bytes() -> None:
    """The published check value of CRC-16/ARC, and many blocks against one bit at a time."""
    assert crc16([b"123456789"]) == 0xBB3D
    data = random.Random(1).randbytes(3 * BLOCK_BYTES + 100)
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    steps = [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]
    assert crc16(steps) == value
    assert crc16(steps[:3]) != value


def test_nonsense_gives_an_answer(made: Make, tmp_path: Path) -> None:
    data, chance, path = made(f"{STEREO} -write_id3v1 1"), random.Random(9), tmp_path / "a.mp3"
    for _ in range(150):
        changed = bytearray(data[: chance.randrange(4, len(data))])
        for _ in range(4):
            at = chance.randrange(chance.choice([len(changed), min(200, len(changed))]))
            changed[at : at + 4] = chance.choice([chance.randbytes(4), b"\xff" * 4, b"ID3\4"])
        path.write_bytes(b"ID3" + changed[3:])
        assert all(isinstance(defect, Defect) for defect in check(path).defects)
