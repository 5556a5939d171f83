"""A longer run: `python -m tests.fuzz --seconds 600`, or one mutant again, and kept as a test."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.mutate import mutant
from tests.fuzz.pristine import NAMES, make
from tests.fuzz.rounds import Failure, load, run

KEPT = Path(__file__).parent / "kept"
STEP = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--start", type=int, default=0, help="the number of the first mutants")
    parser.add_argument("--only", nargs="*", default=NAMES, metavar="NAME", help="of these files")
    parser.add_argument("--keep", nargs=2, metavar=("NAME", "NUMBER"), help="store one in kept/")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in NAMES:
            make(folder, name)
        if options.keep:
            name, number = options.keep
            return keep(folder, name, int(number))
        return go_on(folder, options.only, options.start, options.seconds)


def go_on(folder: Path, names: list[str], start: int, seconds: float) -> int:
    """Rounds until the time is over; each kind of failure is told once."""
    until_s, seen, tried = time.monotonic() + seconds, set[tuple[str, str]](), 0
    while time.monotonic() < until_s:
        for name in names:
            for failure in run(folder, range(start, start + STEP), [name], NAMES):
                tell(failure, seen)
            tried += STEP
        start += STEP
    print(f"{tried} mutants, the last of number {start - 1}; {len(seen)} kinds of failure")
    return 1 if seen else 0


def tell(failure: Failure, seen: set[tuple[str, str]]) -> None:
    """Print a failure, unless its like was."""
    lines = [line.strip() for line in failure.what.strip().splitlines() if line.strip()]
    place = next((line for line in reversed(lines) if line.startswith("File ")), "")
    kind = (lines[-1].split(":")[0] if lines else "", place)
    if kind not in seen:
        seen.add(kind)
        print(f"--- {failure.name} {failure.number}\n{failure.what}", flush=True)


def keep(folder: Path, name: str, number: int) -> int:
    """Store a mutant, so that a test tries it for ever."""
    everything = load(folder, NAMES)
    (pristine,) = (each for each in everything if each.name == name)
    path = KEPT / f"{name}-{number}.bin"
    path.write_bytes(mutant(pristine, everything, number))
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
