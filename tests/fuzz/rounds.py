"""Rounds of mutants in a child process of little memory: what crashes, hangs or takes all the
memory ends the child, and the mutant that did it is known."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutate import Pristine, mutant
from tests.fuzz.probe import Hang, probe

ROOT = Path(__file__).parents[2]
#: What a check may take beside what Python and its modules have taken already.
MEMORY_BYTES = 192 * 1024**2
#: What ends a child that even its own guard cannot end, for each mutant.
CPU_S = 30
#: A check that reads no oftener walks through a file, which is then mutated in as many parts.
FEW_READS, PARTS = 8, 16
#: What Python says of where an error came from; the last lines tell most.
MOST_TRACE = 1_500


@dataclass(frozen=True, slots=True)
class Failure:
    """A mutant, and what it did."""

    name: str
    number: int
    what: str


def load(folder: Path, names: Iterable[str]) -> list[Pristine]:
    """The pristine files of a folder, with where their checks read."""
    loaded = []
    for name in names:
        data = (folder / name).read_bytes()
        reads = set(probe(data, name))
        if len(reads) < FEW_READS:  # it reads on and on, or not at all: no header is told
            reads |= {(part * len(data) // PARTS, 64) for part in range(PARTS)}
        loaded.append(Pristine(name, data, tuple(sorted(reads))))
    return loaded


def play(folder: Path, numbers: range, names: Sequence[str], all_names: Sequence[str]) -> None:
    """In the child: every mutant, each named on stdout before it is tried, each failure as JSON."""
    everything = load(folder, all_names)
    _limit()
    for pristine in (each for each in everything if each.name in names):
        for number in numbers:
            print(f"at {pristine.name} {number}", flush=True)
            _guard()
            if what := _try(pristine, everything, number):
                print(json.dumps([pristine.name, number, what]), flush=True)


def _try(pristine: Pristine, everything: Sequence[Pristine], number: int) -> str | None:
    data = mutant(pristine, everything, number)
    try:
        probe(data, pristine.name)
    except (Exception, Hang):
        return traceback.format_exc()[-MOST_TRACE:]
    return None


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _guard() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + CPU_S
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def run(
    folder: Path, numbers: range, names: Sequence[str], all_names: Sequence[str]
) -> list[Failure]:
    """Play a round in a child, and tell what failed; one that was killed is such a failure."""
    call = (
        f"play(Path(sys.argv[1]), range({numbers.start}, {numbers.stop}), *json.loads(sys.argv[2]))"
    )
    code = f"import json, sys; from pathlib import Path; from tests.fuzz.rounds import play; {call}"
    done = subprocess.run(
        [sys.executable, "-c", code, os.fspath(folder), json.dumps([list(names), list(all_names)])],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout.splitlines()
    failures = [Failure(*json.loads(line)) for line in told if line.startswith("[")]
    if done.returncode != 0:
        last = next((line for line in reversed(told) if line.startswith("at ")), "at start -1")
        _, name, number = last.split()
        ended = f"the child ended with {done.returncode}: {done.stderr[-MOST_TRACE:]}"
        failures.append(Failure(name, int(number), ended))
    return failures
