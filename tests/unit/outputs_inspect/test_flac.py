"""FLAC: every sample that is declared must be decoded."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.inspect import inspect

from .conftest import SOUND, make

Studio = Callable[[str], Path]
#: Sync code of a frame of fixed size (RFC 9639, 9.1).
FRAME = re.compile(rb"\xff\xf8")


@pytest.mark.parametrize(
    "how",
    [
        *("", "-ac 2", "-ar 44100 -t 0.333", "-compression_level 12", "-sample_fmt s32"),
        *("-frame_size 16", "-ar 8000", "-ar 96000", "-t 0.001"),
    ],
)
def test_a_flac_of_any_kind_is_sound_to_the_sample(tmp_path: Path, how: str) -> None:
    assert inspect(make(tmp_path / "a.flac", f"{SOUND} {how}")).defects == ()


def test_a_flac_from_a_pipe_declares_nothing_and_is_sound(tmp_path: Path) -> None:
    command = [ffmpeg(), "-v", "error", *SOUND.split(), "-f", "flac", "pipe:1"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    (tmp_path / "a.flac").write_bytes(data)
    seen = inspect(tmp_path / "a.flac")
    assert (seen.defects, seen.duration_s) == ((), pytest.approx(1.0))


def test_a_last_frame_that_is_missing_is_noticed(tmp_path: Path) -> None:
    """Cut between two frames, so that each checksum is right: only the count tells."""
    data = make(tmp_path / "a.flac", f"{SOUND} -frame_size 1152").read_bytes()
    *_, last = FRAME.finditer(data)
    (tmp_path / "a.flac").write_bytes(data[: last.start()])
    (defect,) = inspect(tmp_path / "a.flac").defects
    assert (defect.kind, defect.detail[5:]) == ("duration", " of 1.000 s of sound")


def test_a_flipped_bit_is_found_by_the_checksum_of_its_frame(
    studio: Studio, tmp_path: Path
) -> None:
    data, chance = studio("sound.flac").read_bytes(), random.Random(4)
    for _ in range(8):
        at = chance.randrange(len(data) // 2, len(data))
        flipped = bytes([data[at] ^ 1 << chance.randrange(8)])
        (tmp_path / "a.flac").write_bytes(data[:at] + flipped + data[at + 1 :])
        assert not inspect(tmp_path / "a.flac").sound
