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


def next_number(target: Target) -> int:
    """The number of ComfyUI's own savers, whose files are called `name_00001_.ext`."""
    return _highest(target, r"_(\d+)_.*") + 1


def next_vhs_number(target: Target) -> int:
    """The number of VHS, whose files are called `name_00001.ext` or `name_00001-audio.ext`."""
    return _highest(target, r"_(\d+)\D*\..+") + 1


def _highest(target: Target, rest: str) -> int:
    pattern = re.compile(re.escape(target.name) + rest, re.IGNORECASE)
    matches = (pattern.fullmatch(name) for name in os.listdir(target.folder))
    return max((int(match[1]) for match in matches if match), default=0)
