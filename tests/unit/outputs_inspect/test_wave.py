"""WAV: sizes, those of a pipe among them, and numbers that must agree."""

from __future__ import annotations

import struct
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.outputs.containers.base import Structure
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.inspect import inspect

from .conftest import SOUND, make
from .test_containers import check, words

Studio = Callable[[str], Path]
WHOLE = Structure(has_video=False)
TONE = bytes(range(240)) * 100


def riff(*chunks: bytes, name: bytes = b"RIFF", size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return name + struct.pack("<I", len(body) if size is None else size) + body


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body


def form(kind: int = 1, channels: int = 2, rate: int = 8000, bits: int = 16) -> bytes:
    block = channels * ((bits + 7) // 8)
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits))


@pytest.mark.parametrize(
    "how",
    [
        *("", "-ac 2", "-c:a pcm_u8", "-c:a pcm_s24le", "-c:a pcm_f32le", "-c:a pcm_s32le"),
        *("-c:a pcm_alaw", "-c:a adpcm_ima_wav", "-c:a adpcm_ms", "-ac 6", "-rf64 always"),
        *("-write_bext 1 -metadata description=x", "-write_peak on", "-fflags +bitexact"),
    ],
)
def test_a_wav_of_any_kind_is_sound(tmp_path: Path, how: str) -> None:
    seen = inspect(make(tmp_path / "a.wav", f"{SOUND} {how}"))
    assert seen.defects == ()
    assert seen.duration_s == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("how", ["", "-ac 2 -c:a pcm_s24le", "-t 0.1 -c:a pcm_u8 -ar 11025"])
def test_a_wav_from_a_pipe_is_sound(tmp_path: Path, how: str) -> None:
    command = [ffmpeg(), "-v", "error", *SOUND.split(), *how.split(), "-f", "wav", "pipe:1"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    assert data[4:8] == b"\xff" * 4
    (tmp_path / "a.wav").write_bytes(data)
    seen = inspect(tmp_path / "a.wav")
    assert (seen.defects, seen.media) == ((), "audio")


@pytest.mark.parametrize("size", [0, 0x7FFFF024, 0xFFFFFFFF])
@pytest.mark.parametrize("odd", [b"", b"\0"])
def test_sizes_that_nobody_came_back_to_write_are_legal(
    tmp_path: Path, size: int, odd: bytes
) -> None:
    data = riff(form(), chunk(b"data", TONE, size) + odd, size=size)
    (tmp_path / "a.wav").write_bytes(data)
    assert check(tmp_path / "a.wav") == WHOLE


def test_a_wav_of_the_standard_library_with_odd_chunks_is_whole(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as written:
        written.setparams((1, 1, 8000, 0, "NONE", ""))
        written.writeframes(b"123")
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data + b"\0")
    assert check(tmp_path / "a.wav") == WHOLE
    odd = riff(chunk(b"LIST", b"INFOx") + b"\0", form(), chunk(b"data", TONE), chunk(b"id3 ", b""))
    (tmp_path / "a.wav").write_bytes(odd)
    assert check(tmp_path / "a.wav") == WHOLE


def large(riff_bytes: int, data_bytes: int) -> bytes:
    sizes = chunk(b"ds64", struct.pack("<QQQI", riff_bytes, data_bytes, 0, 0))
    chunks = (sizes, form(), chunk(b"data", TONE, 0xFFFFFFFF), chunk(b"LIST", b"INFO"))
    return riff(*chunks, name=b"RF64", size=0xFFFFFFFF)


def test_sizes_beyond_32_bits_are_read(tmp_path: Path) -> None:
    path, size = tmp_path / "a.wav", len(large(0, 0)) - 8
    path.write_bytes(large(size, len(TONE)))
    assert check(path) == WHOLE
    path.write_bytes(large(size + 2**33, len(TONE)))
    assert words(path) == [f"RIFF cut off: {size + 8} of {size + 8 + 2**33} bytes"]
    path.write_bytes(large(size, 2**33))
    assert words(path)[0].startswith("'data' chunk cut off: ")
    path.write_bytes(large(size, len(TONE)).replace(b"ds64", b"ds65"))
    assert words(path) == ["ds64 chunk missing, which holds the sizes"]


def test_what_contradicts_itself_is_told_with_its_place(tmp_path: Path) -> None:
    good = riff(form(), chunk(b"data", TONE))
    cases = {
        good[:-5]: (f"RIFF cut off: {len(good) - 5} of {len(good)} bytes", len(good) - 5),
        good + b"tail": ("4 bytes of something else after the end", len(good)),
        riff(form(channels=0), chunk(b"data", TONE)): ("0 channels at 8000 Hz, in", 20),
        riff(form()[:-8] + struct.pack("<IHH", 9, 4, 16), chunk(b"data", TONE)): (
            "fmt chunk c",
            20,
        ),
        riff(chunk(b"fmt ", b"\1\0"), chunk(b"data", TONE)): ("fmt chunk too short", 20),
        riff(form(), chunk(b"data", TONE[:-2])): ("data cut off within a sample", len(good) - 2),
        riff(form(), chunk(b"data", TONE, 10**6)): ("'data' chunk cut off: ", 36),
        riff(chunk(b"data", TONE)): ("fmt chunk missing", None),
    }
    for data, (expected, offset) in cases.items():
        (tmp_path / "a.wav").write_bytes(data)
        (defect,) = check(tmp_path / "a.wav").defects
        assert defect.detail.startswith(expected)
        assert defect.offset == offset
