"""What an inspection is asked for beyond the verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to find out besides whether a file is whole. What is None or False costs nothing."""

    thumbnail: bool = True
    #: Warn of a video that is black from end to end.
    black: bool = False
    #: Warn of stretches of a video in which nothing moves, from so many seconds on.
    frozen_s: float | None = None
    #: Warn of sound that is silent from end to end.
    silent: bool = False
    #: Warn of a still that is one color, or nearly.
    near_empty: bool = False

    @property
    def content(self) -> bool:
        """Whether a decoder's filters are asked to look at the content of a video or a sound."""
        return self.black or self.silent or self.frozen_s is not None


#: What the service wants where nothing else is said.
USUAL = Wanted()
