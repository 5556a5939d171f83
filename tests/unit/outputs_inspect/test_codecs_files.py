"""Whole files: damage that a decoder shows in silence is found; odd ones are sound."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.outputs.inspect import inspect
from reconciler.outputs.payload import Payload

from .conftest import FRAMES, H264, VIDEO, make
from .streams import packets

Studio = Callable[[str], Path]
LARGE = "-f lavfi -i color=black:size=1920x1080:rate=24:duration=0.5"
HEVC = "-c:v libx265 -x265-params log-level=quiet"
ODD = {
    "unescaped_length.mp4": f"{VIDEO},noise=alls=60 {H264} -qp 0",
    "filler.mp4": f"{VIDEO} {H264} -b:v 1M -minrate 1M -maxrate 1M -bufsize 1M"
    " -x264-params nal-hrd=cbr",
    "slices.mp4": f"{VIDEO} {H264} -slices 4",
    "black.mp4": f"{LARGE} {H264}",
    "black.webm": f"{LARGE} -c:v libvpx -deadline realtime -cpu-used 8",
    "black_av1.mp4": f"{LARGE} -c:v libsvtav1 -preset 12",
    "hidden.webm": f"{VIDEO} -c:v libvpx -auto-alt-ref 1 -lag-in-frames 10 -cpu-used 4",
    "hidden.mkv": f"{VIDEO} -c:v libvpx-vp9 -auto-alt-ref 1 -lag-in-frames 10 -cpu-used 5",
    "deep.webm": f"{VIDEO} -c:v libvpx-vp9 -pix_fmt yuv420p10le -cpu-used 8 -deadline realtime",
    "vp9.mp4": f"{VIDEO} -c:v libvpx-vp9 -cpu-used 8 -deadline realtime",
    "open.mp4": f"{VIDEO} {HEVC}:keyint=4:min-keyint=4:open-gop=1:bframes=2",
    "checksums.mkv": f"{VIDEO} {HEVC}:hash=1",
    "h264.ts": f"{VIDEO} {H264}",
    "mjpeg.avi": f"{VIDEO} -c:v mjpeg",
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_sound_and_has_every_frame(tmp_path: Path, name: str) -> None:
    seen = inspect(make(tmp_path / name, ODD[name]))
    assert (seen.defects, seen.frames) == ((), FRAMES)


@pytest.mark.parametrize("name", ["h264.mp4", "piped.mkv", "h264.avi", "hevc.mp4", "vp8.webm"])
def test_zeros_inside_a_picture_are_found_at_their_byte(
    studio: Studio, tmp_path: Path, name: str
) -> None:
    data, packet = studio(name).read_bytes(), packets(studio(name))[0]
    at = data.index(packet) + len(packet) * 2 // 3
    path = tmp_path / name
    path.write_bytes(data[:at] + bytes(70) + data[at + 70 :])
    found = [defect for defect in inspect(path).defects if "packet 1 of" in defect.detail]
    assert [defect.at_s for defect in found] == [0.0] or name.endswith(".avi")
    assert found[0].offset == pytest.approx(at, abs=4)


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_bit_of_vp9_is_found(studio: Studio, tmp_path: Path, seed: int) -> None:
    """ffmpeg's own decoder shows whatever comes out of it, and says nothing."""
    data, packet = studio("vp9.webm").read_bytes(), packets(studio("vp9.webm"))[0]
    at = data.index(packet) + random.Random(seed).randrange(len(packet) // 4, len(packet) // 2)
    path = tmp_path / "a.webm"
    path.write_bytes(data[:at] + bytes([data[at] ^ 8]) + data[at + 1 :])
    assert not inspect(path).sound


def test_a_changed_bit_of_ffv1_is_found_by_its_checksum(studio: Studio, tmp_path: Path) -> None:
    data = studio("ffv1.mkv").read_bytes()
    at = len(data) // 2
    path = tmp_path / "a.mkv"
    path.write_bytes(data[:at] + bytes([data[at] ^ 8]) + data[at + 1 :])
    assert not inspect(path).sound


def test_a_part_copied_out_of_a_film_is_sound(tmp_path: Path) -> None:
    """Its pictures that refer to what was cut away are not shown, and none is missing."""
    gop = f"{HEVC}:keyint=8:min-keyint=8:open-gop=1:bframes=4"
    film = make(tmp_path / "film.mp4", f"-f lavfi -i testsrc2=size=64x48:rate=24:duration=1 {gop}")
    part = make(tmp_path / "part.mkv", "-ss 0.4 -i", str(film), "-c", "copy")
    seen = inspect(part)
    assert seen.defects == ()
    assert seen.frames is not None and 0 < seen.frames < 24


UNIT = b"\0\0\0\5\x65abc\x80"
BROKEN = b"\0\0\0\5\xe5abc\x80"


def test_bytes_and_sizes_wait_for_each_other() -> None:
    payload = Payload()
    payload.feed(UNIT + BROKEN[:3])
    payload.begin("h264")
    payload.expect(len(UNIT), 0.0, True)
    payload.expect(len(UNIT), 0.5, True)
    assert payload.fault is None
    payload.feed(BROKEN[3:] + BROKEN)
    payload.expect(len(UNIT), 1.0, True)
    (defect,) = payload.defects(100)
    words = "packet 2 of the picture, byte 4: the first bit of a NAL unit is not zero"
    assert defect.detail == f"{words}; and 1 more packets"
    assert (defect.offset, defect.at_s) == (104, 0.5)


def test_what_nobody_gives_a_size_to_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.outputs.payload.MAX_WAITING_BYTES", 100)
    payload = Payload()
    payload.begin("h264")
    payload.feed(bytes(101))
    payload.expect(9, 0.0, True)
    assert (payload.hidden, payload.defects(None)) == (None, ())


def test_a_codec_without_a_check_costs_nothing() -> None:
    payload = Payload()
    payload.begin("gif")
    payload.feed(BROKEN)
    payload.expect(len(BROKEN), 0.0, True)
    assert (payload.hidden, payload.defects(None)) == (None, ())


def test_bytes_that_were_dropped_before_the_codec_was_told_are_no_damage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reconciler.outputs.payload.MAX_WAITING_BYTES", 1000)
    payload = Payload()
    payload.feed(bytes(1001))
    payload.begin("vp8")
    payload.expect(100, 0.0, presented=True)
    payload.feed(bytes(1000))
    assert (payload.fault, payload.hidden) == (None, None)
