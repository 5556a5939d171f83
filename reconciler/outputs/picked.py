"""Some frames of a film, evenly over it, each made small: what a picture of it is made of."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from PIL import Image, PngImagePlugin

from reconciler.errors import InspectionError
from reconciler.outputs.child import STDERR, Child, run
from reconciler.outputs.command import fit
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.limits import Limits
from reconciler.outputs.sinks import Head
from reconciler.outputs.sniff import Format
from reconciler.outputs.still import MAX_TEXT_BYTES, Refused, insist_small, shrunk
from reconciler.outputs.text import printable

#: A film of more frames is not decoded whole: its key frames are enough, of which it has one for
#: every 250 frames or so, and mostly many more.
LONG_FRAMES = 3000
_MAX_COMPLAINT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Pick:
    """Which frames are picked."""

    #: Frames that the file has, and seconds that it lasts; None where that is not known.
    of: int
    duration_s: float | None
    #: How many at most.
    most: int
    #: Longest side that each gets, in pixels.
    longest_px: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """The frame in the middle of each of `most` equal parts, counted from 0."""
        count = min(self.of, self.most)
        return tuple((2 * n + 1) * self.of // (2 * count) for n in range(count))


def picked(file: int, known: Format, pick: Pick, limits: Limits) -> list[Image.Image]:
    """Decode these frames of the open file `file`; fewer where some cannot be decoded.

    Raises InspectionError where that goes beyond a limit, or cannot be begun.
    """
    if known.demuxer is None:
        return _of_still(file, known.pillow or "", pick, limits)
    if pick.of > LONG_FRAMES and pick.duration_s:
        frames = _of_film(_Film(file, known.demuxer, pick, limits, whole=False))
        if 2 * len(frames) > pick.most:
            return frames
    return _of_film(_Film(file, known.demuxer, pick, limits, whole=True))


@dataclass(frozen=True, slots=True)
class _Film:
    """What ffmpeg decodes, and how."""

    file: int
    demuxer: str
    pick: Pick
    limits: Limits
    #: False: its key frames alone.
    whole: bool


def _of_film(film: _Film) -> list[Image.Image]:
    room = film.pick.most * (3 * film.pick.longest_px**2 + 64)
    pictures, complaints = Head(room), Head(_MAX_COMPLAINT_BYTES)
    os.lseek(film.file, 0, os.SEEK_SET)  # ffmpeg begins where the one before ended
    sinks = {STDERR: complaints, "pictures": pictures}
    run(Child(partial(_command, film), sinks, film.file), film.limits)
    frames = list(_read(pictures.data))
    if not frames and film.whole:
        words = printable(complaints.data.decode("utf-8", "replace").strip()[-200:])
        raise InspectionError(f"no frame of it could be decoded: {words or 'ffmpeg gave none'}")
    return frames


def _command(film: _Film, fds: Mapping[str, int]) -> Sequence[str]:
    pick, limits = film.pick, film.limits
    chosen = _by_number(pick) if film.whole else _by_time(pick)
    return [
        *(ffmpeg(), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"),
        *("-filter_threads", "1", "-threads", str(limits.threads)),
        *("-max_pixels", str(limits.max_pixels)),
        *("-protocol_whitelist", "fd", "-format_whitelist", film.demuxer),
        *(() if film.whole else ("-skip_frame", "nokey")),
        *("-f", film.demuxer, "-fd", str(film.file), "-i", "fd:"),
        *("-map", "0:V:0", "-vf", f"select='{chosen}',{fit(pick.longest_px)},setsar=1"),
        *("-fps_mode", "passthrough", "-frames:v", str(pick.most)),
        *("-c:v", "ppm", "-f", "image2pipe", f"pipe:{fds['pictures']}"),
    ]


def _by_number(pick: Pick) -> str:
    """The frames of `Pick.numbers`, each as soon as it has come."""
    count = len(pick.numbers)
    return f"gte(n,floor((2*selected_n+1)*{pick.of}/{2 * count}))"


def _by_time(pick: Pick) -> str:
    """The first key frame in each part of the film."""
    part_s = (pick.duration_s or 0.0) / pick.most
    return f"gte(t-start_t,selected_n*{part_s:.6f})"


def _read(data: bytes) -> Iterator[Image.Image]:
    """Pictures as ppm, one after the other: `P6`, width and height, 255, and the pixels."""
    at = io.BytesIO(data)
    while at.readline() == b"P6\n":
        width, height = (int(word) for word in at.readline().split())
        at.readline()
        pixels = at.read(3 * width * height)
        if len(pixels) == 3 * width * height > 0:
            yield Image.frombytes("RGB", (width, height), pixels)


def _of_still(file: int, kind: str, pick: Pick, limits: Limits) -> list[Image.Image]:
    Image.MAX_IMAGE_PIXELS = None
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MAX_TEXT_BYTES
    frames = []
    try:
        with warnings.catch_warnings(), os.fdopen(os.dup(file), "rb") as opened:
            warnings.simplefilter("ignore")
            opened.seek(0)
            with Image.open(opened, formats=(kind,)) as image:
                for number in pick.numbers:
                    insist_small(image, limits.max_pixels)
                    image.seek(number)
                    insist_small(image, limits.max_pixels)
                    frames.append(shrunk(image, pick.longest_px))
    except MemoryError:
        raise
    except Refused as error:
        raise InspectionError(str(error)) from error
    except Exception as error:  # whatever a decoder raises says that it cannot decode this
        if not frames:
            words = printable(str(error)) or type(error).__name__
            raise InspectionError(f"it cannot be decoded: {words}") from error
    return frames
