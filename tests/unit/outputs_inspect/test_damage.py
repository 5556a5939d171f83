"""Damaged files are found damaged, and the defect says how."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.expectation import Expectation, ExpectedFrames
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.expected import unmet
from reconciler.outputs.inspect import inspect
from reconciler.outputs.inspection import Inspection
from reconciler.outputs.limits import Limits

from .conftest import FRAMES, H264, VIDEO, make

Studio = Callable[[str], Path]
CUT = (
    "h264.mp4",
    "faststart.mp4",
    "fragmented.mp4",
    "prores.mov",
    "ffv1.mkv",
    "vp9.webm",
    "mpeg4.avi",
    "moving.gif",
    "sound.wav",
    "sound.flac",
    "sound.opus",
    "sound.m4a",
)


def damaged(source: Path, folder: Path, change: Callable[[bytes], bytes]) -> Inspection:
    path = folder / source.name
    path.write_bytes(change(source.read_bytes()))
    return inspect(path)


@pytest.mark.parametrize("percent", [99, 95, 50, 10])
@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_off_is_unsound(studio: Studio, tmp_path: Path, name: str, percent: int) -> None:
    seen = damaged(studio(name), tmp_path, lambda data: data[: len(data) * percent // 100])
    assert not seen.sound


@pytest.mark.parametrize("percent", [99, 50, 10])
@pytest.mark.parametrize(
    "name", ["still.png", "still.jpg", "still.webp", "still.bmp", "moving.webp", "moving.png"]
)
def test_a_picture_cut_off_is_unsound(
    gallery: Path, tmp_path: Path, name: str, percent: int
) -> None:
    seen = damaged(gallery / name, tmp_path, lambda data: data[: len(data) * percent // 100])
    assert not seen.sound


@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "moving.gif", "mpeg4.avi", "sound.wav"])
def test_bytes_after_the_end_are_a_defect(studio: Studio, tmp_path: Path, name: str) -> None:
    junk = random.Random(3).randbytes(700)
    seen = damaged(studio(name), tmp_path, lambda data: data + junk)
    assert seen.defects[0].kind == "structure"


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.webp"])
def test_bytes_after_a_picture_are_a_defect(gallery: Path, tmp_path: Path, name: str) -> None:
    seen = damaged(gallery / name, tmp_path, lambda data: data + bytes(9))
    assert seen.defects[0].detail == "9 bytes of something else after the end"


@pytest.mark.parametrize("name", ["h264.mp4", "ffv1.mkv", "vp9.webm", "moving.gif"])
def test_a_zeroed_block_is_found(studio: Studio, tmp_path: Path, name: str) -> None:
    def zero(data: bytes) -> bytes:
        middle = len(data) // 2
        return data[:middle] + bytes(1000) + data[middle + 1000 :]

    assert not damaged(studio(name), tmp_path, zero).sound


def test_a_hole_in_a_png_is_found_by_its_checksums(gallery: Path, tmp_path: Path) -> None:
    seen = damaged(gallery / "still.png", tmp_path, lambda data: data.replace(data[900:910], b""))
    assert seen.defects


def test_an_mp4_without_moov_says_so_and_is_not_decoded(studio: Studio, tmp_path: Path) -> None:
    seen = damaged(studio("h264.mp4"), tmp_path, lambda data: data[: data.index(b"moov") - 4])
    assert [defect.detail for defect in seen.defects] == [
        "moov box missing: cut off, or never finished"
    ]
    assert (seen.container, seen.frames) == ("mp4", None)


def test_a_header_alone_is_unsound(studio: Studio, tmp_path: Path) -> None:
    for name in ("h264.mp4", "vp9.webm", "moving.gif", "mpeg4.avi"):
        assert not damaged(studio(name), tmp_path, lambda data: data[:48]).sound


def test_a_webm_whose_writer_was_killed_between_clusters_is_unsound(
    studio: Studio, tmp_path: Path
) -> None:
    """The writer leaves the size of the Segment open, room for an index, and whole clusters."""

    def kill(data: bytes) -> bytes:
        segment = data.index(b"\x18\x53\x80\x67") + 4
        cluster_end = data.index(b"\x1c\x53\xbb\x6b")  # Cues
        head = data[:segment] + b"\x01" + b"\xff" * 7
        seek_head = data[segment + 8 : segment + 13]
        assert seek_head[:4] == b"\x11\x4d\x9b\x74"
        info = data.index(b"\x15\x49\xa9\x66")
        room = info - (segment + 8)
        return head + b"\xec\x80" * (room // 2) + data[info - room % 2 : cluster_end]

    seen = damaged(studio("vp9.webm"), tmp_path, kill)
    assert "Segment size missing: its writer never finished it" in {d.detail for d in seen.defects}


def test_a_stream_that_was_never_seekable_is_no_killed_one(studio: Studio, tmp_path: Path) -> None:
    piped = tmp_path / "piped.webm"
    command = [ffmpeg(), "-v", "error", "-i", str(studio("vp9.webm")), "-c", "copy"]
    done = subprocess.run([*command, "-f", "webm", "pipe:1"], check=True, capture_output=True)
    piped.write_bytes(done.stdout)
    assert b"\x18\x53\x80\x67\x01\xff\xff\xff" in piped.read_bytes()
    assert inspect(piped).defects == ()


def test_missing_frames_are_found_against_the_container(studio: Studio, tmp_path: Path) -> None:
    """The avi header declares one frame more than there are."""

    def declare(data: bytes) -> bytes:
        length = data.index(b"strh") + 8 + 32
        return data[:length] + struct.pack("<I", FRAMES + 1) + data[length + 4 :]

    seen = damaged(studio("mpeg4.avi"), tmp_path, declare)
    assert "12 of 13 pictures are in it" in {defect.detail for defect in seen.defects}


def test_missing_frames_are_found_against_the_expectation(tmp_path: Path) -> None:
    short = inspect(make(tmp_path / "short.mp4", f"{VIDEO} {H264} -frames:v {FRAMES - 1}"))
    assert short.sound
    (defect,) = unmet(short, Expectation(ExpectedFrames(FRAMES)))
    assert (defect.kind, defect.detail) == ("frames", "11 of 12 frames")
    assert unmet(short, Expectation(ExpectedFrames(FRAMES, tolerance=1))) == ()


def test_a_wrong_ending_is_a_defect_in_words(gallery: Path, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    shutil.copy(gallery / "still.png", path)
    seen = inspect(path)
    assert [(d.kind, d.detail) for d in seen.defects] == [
        ("extension", "named .mp4, but it is png")
    ]


def test_an_ending_that_promises_nothing_is_none(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "video.part"
    shutil.copy(studio("h264.mp4"), path)
    assert inspect(path).sound


def test_a_picture_too_large_is_refused_before_it_is_decoded(gallery: Path) -> None:
    seen = inspect(gallery / "still.png", limits=Limits(max_pixels=64 * 48 - 1))
    assert [(d.kind, d.detail) for d in seen.defects] == [
        ("too_large", "64 x 48 pixels, more than the 3071 allowed")
    ]


def test_a_video_too_large_is_refused(studio: Studio) -> None:
    assert not inspect(studio("prores.mov"), limits=Limits(max_pixels=1000)).sound
