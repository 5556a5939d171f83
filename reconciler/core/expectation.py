"""What a job's main output must be, beyond being whole, and which of several sources says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class FrameRule(StrEnum):
    """How the frames of a video are compared with those expected."""

    EXACT = "exact"
    AT_LEAST = "at_least"
    #: Whoever expects any, they are not compared.
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class ExpectedFrames:
    """The frames that a video must have."""

    count: int
    rule: FrameRule = FrameRule.EXACT
    #: Frames by which both may differ.
    tolerance: int = 0
    #: Numbers that are as right: interpolators differ in what they make of the last frame.
    also: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a main output; None = nothing. Frames and fps are a video's."""

    frames: ExpectedFrames | None = None
    fps: float | None = None
    #: Seconds.
    duration_s: float | None = None
    #: Pixels.
    width: int | None = None
    height: int | None = None
    min_bytes: int | None = None
    #: Sound wanted (True) or unwanted (False).
    audio: bool | None = None
    #: By which part of the expected value fps and duration may differ: 0.01 is one in a hundred.
    fps_within: float = 0.01
    duration_within: float = 0.01


#: What sources can expect, in the order in which it is told.
FIELDS = ("frames", "fps", "duration_s", "width", "height", "min_bytes", "audio")


@dataclass(frozen=True, slots=True)
class SaverPromise:
    """What the graph says of the files of one saver; None = it does not say."""

    node_id: str
    node_type: str
    fps: float | None = None
    frames: int | None = None


@dataclass(frozen=True, slots=True)
class Stated:
    """What one source expects."""

    #: Who that is, in words: "the row", "expectations.rules[0]".
    by: str
    values: Expectation


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a file, and who says so."""

    values: Expectation = Expectation()
    #: Field → who set it, and who said otherwise: "the row; the workflow says 81 frames".
    by: Mapping[str, str] = field(default_factory=dict)
    #: Kinds of warnings of its content that refuse the file.
    refuse: frozenset[str] = frozenset()
    #: A number of frames that the row has, but that counts for nothing.
    default_frames: int | None = None


def merge(sources: Sequence[Stated]) -> Expected:
    """Each field as the first source has it that says anything of it; a later one that differs is
    named beside it."""
    found: dict[str, object] = {}
    by: dict[str, str] = {}
    for name in FIELDS:
        said = [(s.by, getattr(s.values, name)) for s in sources]
        said = [(who, value) for who, value in said if value is not None]
        if not said:
            continue
        (first, found[name]), others = said[0], said[1:]
        differ = [f"; {who} says {words(name, v)}" for who, v in others if v != found[name]]
        by[name] = first + "".join(differ)
    return Expected(replace(Expectation(), **found), by)  # type: ignore[arg-type]


def words(name: str, value: object) -> str:
    """What is expected in one field, as a person says it."""
    match name, value:
        case "frames", ExpectedFrames(count, rule, tolerance, also):
            least = "at least " if rule is FrameRule.AT_LEAST else ""
            slack = f" (give or take {tolerance})" if tolerance else ""
            return f"{least}{' or '.join(map(str, (count, *also)))} frames{slack}"
        case "fps", float() | int():
            return f"{value:g} frames a second"
        case "duration_s", float() | int():
            return f"{value:.1f} s"
        case "width" | "height", _:
            return f"{value} pixels {'wide' if name == 'width' else 'high'}"
        case "min_bytes", int():
            return f"at least {sized(value)}"
        case _:
            return "sound" if value else "no sound"


def sized(number: int) -> str:
    """A number of bytes: "12 kB"."""
    if number < 1000:
        return f"{number} bytes"
    size, unit = (number / 1000, "kB") if number < 999_500 else (number / 1e6, "MB")
    return f"{size:.1f} {unit}" if size < 9.95 and size != round(size) else f"{size:.0f} {unit}"
