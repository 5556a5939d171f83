"""How far the inspections are that run, in words for a row."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reconciler.outputs.progress import Progress

#: Where nobody knows how much there is in all, the words change no oftener than this, in seconds.
TELL_S = 5.0


@dataclass(frozen=True, slots=True)
class _Told:
    percent: int | None
    words: str
    at: float


class Checks:
    """Keeps the newest progress of each file. Its words change once a percent at most, as the
    progress of a running prompt does, so that no row is written for less. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._newest: dict[Path, Progress] = {}
        self._told: dict[Path, _Told] = {}

    def heard(self, path: Path, progress: Progress) -> None:
        """An inspection tells how far it is."""
        with self._lock:
            self._newest[path] = progress

    def done(self, path: Path) -> None:
        """It has ended, however."""
        with self._lock:
            self._newest.pop(path, None)
            self._told.pop(path, None)

    def words(self, path: Path, expected_frames: int | None = None) -> str | None:
        """How far the check of a file is; None where nothing is known."""
        with self._lock:
            progress = self._newest.get(path)
            if progress is None:
                return None
            percent, words = _words(progress, expected_frames)
            before, now = self._told.get(path), self._monotonic()
            as_before = before is not None and before.percent == percent
            if before and as_before and (percent is not None or now - before.at < TELL_S):
                return before.words
            if words is not None:
                self._told[path] = _Told(percent, words, now)
            return words


def _words(progress: Progress, expected_frames: int | None) -> tuple[int | None, str | None]:
    """The share by the container's own count, else by what is expected, else what was done."""
    frames, of_frames = progress.frames, progress.of_frames or expected_frames
    if progress.time_s is not None and progress.of_s:
        percent = _percent(progress.time_s, progress.of_s)
        return percent, f"{percent} % checked ({progress.time_s:.0f} of {progress.of_s:.0f} s)"
    if frames is not None and of_frames:
        percent = _percent(frames, of_frames)
        return percent, f"{percent} % checked ({frames} of {of_frames} frames)"
    if frames:
        return None, f"{frames} frames checked so far"
    return None, None if progress.time_s is None else f"{progress.time_s:.0f} s checked so far"


def _percent(done: float, of: float) -> int:
    """Never 100 before the end, whatever the container declares: any number may come from there."""
    return max(int(100 * done / of), 0) if done < of else 99
