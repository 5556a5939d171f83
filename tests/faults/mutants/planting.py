"""Plants a bug in a copy of the package, and lets the tests look for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import reconciler
from tests.faults.mutants.planted import Mutant

_ROOT = Path(reconciler.__file__).parents[1]
#: What the copy shares with the working tree: nothing there is changed.
_SHARED = ("comfy_node", "tests", "pyproject.toml", "config")
#: So many histories, of so many steps, are to be enough.
HISTORIES, STEPS = 100, 40
_LIMIT_S = 900


class CannotPlant(AssertionError):
    """The place of the bug is gone: the code was rewritten, and the bug has to be, too."""


@dataclass(frozen=True)
class Outcome:
    """What became of one bug."""

    caught: bool
    #: What the test that failed says, and which of the histories it was.
    words: str
    by: str = ""
    histories: int = 0
    steps: int = 0
    seconds: float = 0.0


def copy_of_the_package(folder: Path) -> Path:
    """A folder in which `reconciler` is a copy."""
    shutil.copytree(
        _ROOT / "reconciler", folder / "reconciler", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in _SHARED:
        (folder / name).symlink_to(_ROOT / name)
    return folder


def plant(mutant: Mutant, folder: Path) -> None:
    """Raises CannotPlant where its place is not there, or there twice."""
    path = folder / "reconciler" / mutant.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if (found := text.count(mutant.old)) != 1:
        raise CannotPlant(f"{mutant.name}: its place is {found} times in {mutant.file}")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")


def look_for_it(mutant: Mutant, folder: Path, url: str) -> Outcome:
    """Runs whoever has to notice, on the copy and this Postgres."""
    if mutant.by == "model of leases":
        return _model(folder)
    return histories(folder, url, mutant.first)


def histories(folder: Path, url: str, first: str, number: int = HISTORIES) -> Outcome:
    """Those that are kept, then the same new ones each time, until one fails."""
    command = [sys.executable, "-m", "tests.faults.stateful", "--url", url, "--json", "--fixed"]
    command += ["--no-shrink", f"--kept={first}"]
    command += ["--histories", str(number), "--steps", str(STEPS)]
    ran = _run(command, folder)
    try:
        told = json.loads(ran.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise AssertionError(f"{ran.stdout}\n{ran.stderr}") from error
    assert Path(told["package"]).is_relative_to(folder.resolve()), "not the copy was tried"
    words = told["wrong"].splitlines()[:1]
    counted = {name: told[name] for name in ("by", "histories", "steps", "seconds")}
    return Outcome(bool(words), "".join(words), **counted)


def _model(folder: Path) -> Outcome:
    test = "tests/faults/test_lease_model.py"
    ran = _run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test], folder)
    failed = [line for line in ran.stdout.splitlines() if line.startswith("FAILED")]
    return Outcome(ran.returncode == 1, "".join(failed[:1]))


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
