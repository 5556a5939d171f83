"""Names of output files: a folder inside the output directory, a prefix and a counter.

The counter is the highest existing number plus one, taken without a lock, as ComfyUI does: two
servers that share an output directory can overwrite each other's files.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import OutsideOutput


@dataclass(frozen=True, slots=True)
class Target:
    """Where a saver writes: `folder / f"{name}_{number}"` and what the saver adds to it."""

    folder: Path
    subfolder: str
    name: str


def find_target(root: Path, prefix: str) -> Target:
    """The folder and name that a `filename_prefix` means; the folder is made if it is missing.

    Raises `OutsideOutput` if the prefix leaves the directory.
    """
    subfolder, name = os.path.split(os.path.normpath(prefix))
    folder = Path(os.path.abspath(root / subfolder))
    if not folder.is_relative_to(os.path.abspath(root)):
        raise OutsideOutput(f"{prefix!r} leaves {root}: take a prefix that stays inside it")
    folder.mkdir(parents=True, exist_ok=True)
    return Target(folder, subfolder, name)


def next_number(target: Target, counts_every_number: bool) -> int:
    """The number of ComfyUI's own savers, whose files are called `name_00001_.ext`.

    `counts_every_number`: numbers with no underscore behind them, as VHS writes them, count too.
    """
    end = r"(?:[_.].*)?" if counts_every_number else r"(?:_.*)?"
    return _highest(target, re.compile(rf"{re.escape(target.name)}_(\d+){end}")) + 1


def next_vhs_number(target: Target) -> int:
    """The number of VHS, whose files are called `name_00001.ext` or `name_00001-audio.ext`."""
    pattern = re.compile(re.escape(target.name) + r"_(\d+)\D*\..+", re.IGNORECASE)
    return _highest(target, pattern) + 1


def _highest(target: Target, pattern: re.Pattern[str]) -> int:
    matches = (pattern.fullmatch(name) for name in os.listdir(target.folder))
    return max((int(match[1]) for match in matches if match), default=0)
