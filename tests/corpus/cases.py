"""The values of the corpus: a recipe, a file of it, and the index that lists them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

INDEX = "index.jsonl"
#: What a file is before it is damaged: none of it is ever changed.
SOUND = "none"


class Truth(StrEnum):
    """What is known of a file because it was made here."""

    SOUND = "sound"
    #: It shows or sounds other than its pristine form, or is a defect by construction.
    DAMAGED = "damaged"
    #: Bytes were changed, but every picture, sound and time is the same. Counted apart.
    HARMLESS = "harmless"


@dataclass(frozen=True, slots=True)
class Draw:
    """What varies with the seed: everything that is drawn for one file."""

    rng: random.Random
    width: int
    height: int
    frames: int
    fps: int

    @classmethod
    def of(cls, *names: object) -> Draw:
        """The draw that belongs to these names, and to no others."""
        rng = random.Random("/".join(str(name) for name in names))
        width, height = rng.randrange(96, 321, 8), rng.randrange(64, 241, 8)
        return cls(rng, width, height, rng.randint(12, 48), rng.choice((8, 12, 16, 24, 25, 30)))

    @property
    def seconds(self) -> float:
        """What the pictures last."""
        return self.frames / self.fps


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one kind of file is made."""

    name: str
    extension: str
    codec: str
    media: str
    #: Writes the file, and returns its number of frames; None for sound alone.
    write: Callable[[Path, Draw], int | None]
    #: Encoders of ffmpeg that it needs.
    encoders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One file of the corpus. Paths are relative to the folder of the index."""

    path: str
    damage: str
    recipe: str
    container: str
    codec: str
    media: str
    truth: Truth
    #: Frames that the file should have; None for sound and for what is no media.
    frames: int | None = None
    #: The file it was before, whether or not its content is the same.
    pristine: str | None = None
    #: What differs from the pristine file, or where it was damaged, in words.
    what: str = ""
    #: A defect by construction, so that no comparison of pictures is needed.
    constructed: bool = False


def write_index(folder: Path, cases: Iterable[Case]) -> None:
    """One line of JSON for each case; names that are no UTF-8 survive as lone surrogates."""
    lines = [json.dumps(asdict(case), sort_keys=True) for case in cases]
    (folder / INDEX).write_text("\n".join(lines) + "\n", encoding="ascii")


def read_index(folder: Path) -> list[Case]:
    """The cases that `write_index` wrote."""
    values = [json.loads(line) for line in (folder / INDEX).read_text("ascii").splitlines()]
    return [Case(**{**each, "truth": Truth(each["truth"])}) for each in values]
