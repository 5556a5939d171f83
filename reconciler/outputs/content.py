"""What a sound file shows, or fails to: black, frozen, silent, near-empty.

ffmpeg's filters look at what is decoded anyway and note what they see on frames; that is printed
to a pipe of its own, and only under names that are asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from PIL import Image, ImageStat

from reconciler.outputs.inspection import Defect
from reconciler.outputs.wanted import Wanted

#: A picture is black where each pixel's brightness is within this share above black.
BLACK_SHARE = 0.05
#: Below this nothing is seen to move, or heard (dB).
NOISE_DB = -60
#: Silence of so many seconds begins a stretch of it, and so late is still the beginning.
SILENCE_S, BEGINNING_S = 0.02, 0.05
MAX_STRETCHES = 20
#: A still is near-empty where no band varies by more, of 255: about one pixel in 16,000 stands out.
MAX_DEVIATION = 2.0

BLACK, FREEZE, SILENCE = "lavfi.black_", "lavfi.freezedetect.freeze_", "lavfi.silence_"


def video_filters(wanted: Wanted, pipe: int) -> list[str]:
    """Return the filters that look at the picture and print to a pipe; none where not wanted."""
    filters = []
    if wanted.black:
        filters += [f"blackdetect=d=0:pix_th={BLACK_SHARE}:pic_th=1", *_printed(BLACK, pipe)]
    if wanted.frozen_s is not None:
        seconds = max(0.001, wanted.frozen_s)
        filters += [f"freezedetect=n={NOISE_DB}dB:d={seconds:.3f}", *_printed(FREEZE, pipe)]
    return filters


def audio_filters(wanted: Wanted, pipe: int) -> list[str]:
    """Return the filters that listen and print to a pipe; none where not wanted."""
    if not wanted.silent:
        return []
    return [f"silencedetect=n={NOISE_DB}dB:d={SILENCE_S}", *_printed(SILENCE, pipe, "ametadata")]


def _printed(name: str, pipe: int, by: str = "metadata") -> list[str]:
    return [
        f"{by}=mode=print:key={name}{end}:file=pipe\\\\:{pipe}:direct=1" for end in ("start", "end")
    ]


@dataclass(slots=True)
class Content:
    """Reads what the filters print (`lavfi.black_start=0.5`), and sums it up."""

    _starts: dict[str, list[float]] = field(default_factory=dict)
    _ends: dict[str, list[float]] = field(default_factory=dict)

    def take(self, line: bytes) -> None:
        """Read one line; what is not asked for or no number is passed over."""
        name, _, value = line.strip().decode("ascii", "replace").partition("=")
        for kind in (BLACK, FREEZE, SILENCE):
            for end, times in (("start", self._starts), ("end", self._ends)):
                if name == kind + end and len(times.setdefault(kind, [])) <= MAX_STRETCHES:
                    times[kind].append(_seconds(value))

    def warnings(self, duration_s: float | None, sounds: int, wanted: Wanted) -> tuple[Defect, ...]:
        """Return what a person should know; `sounds` is the number of sound streams."""
        found = []
        if wanted.black and self._throughout(BLACK, 1):
            found.append(Defect("black", "black from end to end"))
        found += self._frozen(duration_s, wanted.frozen_s)
        if wanted.silent and sounds and self._throughout(SILENCE, sounds):
            found.append(Defect("silent", "its sound is silent from end to end"))
        return tuple(found)

    def _throughout(self, kind: str, streams: int) -> bool:
        starts = self._starts.get(kind, [])
        begun = len(starts) == streams and all(start <= BEGINNING_S for start in starts)
        return begun and not self._ends.get(kind)

    def _frozen(self, duration_s: float | None, least_s: float | None) -> list[Defect]:
        starts, ends = self._starts.get(FREEZE, []), list(self._ends.get(FREEZE, []))
        found = []
        for number, start in enumerate(starts[:MAX_STRETCHES]):
            end = ends[number] if number < len(ends) else duration_s
            until = "the end" if end is None else f"{end:.1f} s"
            words = f"frozen from {start:.1f} to {until}"
            found.append(Defect("frozen", words, at_s=start))
        return found


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return math.inf
    return seconds if math.isfinite(seconds) else math.inf


def near_empty(image: Image.Image) -> tuple[Defect, ...]:
    """Return a warning where a decoded still is one color, or nearly, or wholly transparent."""
    if image.mode.startswith(("I", "F")):
        levels = ImageStat.Stat(image.convert("F"))
        low, high = levels.extrema[0]
        empty = levels.stddev[0] * 255 <= MAX_DEVIATION * max(65535, abs(low), abs(high))
    else:
        bands = ImageStat.Stat(image.convert("RGBA"))
        transparent = bands.extrema[3][1] == 0
        empty = transparent or max(bands.stddev) <= MAX_DEVIATION
    return (Defect("near_empty", "one color, or nearly"),) if empty else ()
