"""What a file shows: one digest for each picture and each piece of sound, and its time."""

from __future__ import annotations

import hashlib
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.corpus.ffmpeg import executable

#: What ffmpeg does not decode here: Pillow does, frame by frame.
PILLOW = frozenset({"png", "jpg", "webp"})


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a player would present of a file."""

    pictures: tuple[str, ...]
    sounds: tuple[str, ...]
    times: tuple[str, ...]
    #: The decoder gave up before the end.
    broke: bool = False


def shown(path: Path, extension: str) -> Shown:
    """Decode a file in full, and say what came of it."""
    return _by_pillow(path) if extension in PILLOW else _by_ffmpeg(path)


def differences(pristine: Shown, changed: Shown) -> str:
    """In words, what is presented otherwise; empty where nothing is."""
    words = []
    if len(pristine.pictures) != len(changed.pictures):
        words.append(f"{len(changed.pictures)} of {len(pristine.pictures)} pictures")
    pairs = zip(pristine.pictures, changed.pictures, strict=False)
    if other := sum(one != two for one, two in pairs):
        words.append(f"{other} pictures differ")
    if pristine.sounds != changed.sounds:
        words.append("sound differs")
    if pristine.times != changed.times:
        words.append("times differ")
    if changed.broke:
        words.append("decoder gave up")
    return ", ".join(words)


def _by_ffmpeg(path: Path) -> Shown:
    streams = ("-map", "0:V?", "-map", "0:a?", "-fps_mode", "passthrough", "-copyts")
    command = [executable(), "-hide_banner", "-nostdin", "-v", "quiet", "-threads", "1"]
    command += ["-i", f"file:{path}", *streams, "-f", "framehash", "-hash", "md5", "-"]
    done = subprocess.run(
        command, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=60
    )
    lines = done.stdout.decode().splitlines()
    kinds = dict(_kinds(lines))
    rows = [[part.strip() for part in line.split(",")] for line in lines if line[:1].isdigit()]
    seen = [row for row in rows if kinds.get(row[0]) == "video"]
    heard = [row for row in rows if kinds.get(row[0]) == "audio"]
    return Shown(
        tuple(row[5] for row in seen),
        tuple(row[5] for row in heard),
        tuple(row[2] for row in seen),
        done.returncode != 0,
    )


def _kinds(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if line.startswith("#media_type "):
            number, _, kind = line.removeprefix("#media_type ").partition(": ")
            yield number, kind


def _by_pillow(path: Path) -> Shown:
    pictures, times = [], []
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                whole = image.convert("RGBA").tobytes() + repr(image.size).encode()
                pictures.append(hashlib.md5(whole, usedforsecurity=False).hexdigest())
                times.append(str(image.info.get("duration")))
    except Exception:  # whatever it raises, it gave up
        return Shown(tuple(pictures), (), tuple(times), True)
    return Shown(tuple(pictures), (), tuple(times))
