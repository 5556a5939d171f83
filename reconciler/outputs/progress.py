"""How far an inspection that takes long has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been decoded so far; None where it is not known."""

    #: Seconds of the film, or of the sound.
    time_s: float | None = None
    frames: int | None = None
    #: What the container declares in all.
    of_s: float | None = None
    of_frames: int | None = None


#: Hears of the progress about twice a second, in the thread that inspects.
OnProgress = Callable[[Progress], None]
