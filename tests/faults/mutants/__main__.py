"""`make mutants`: plants one bug after the other, and prints who caught it, and how soon."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from reconciler.store import embedded
from tests.faults.mutants.planted import MUTANTS, Mutant
from tests.faults.mutants.planting import (
    CannotPlant,
    Outcome,
    copy_of_the_package,
    look_for_it,
    plant,
)


def main() -> None:
    """Exit status 1 where a bug was not caught, or could not be planted."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutants")
    parser.add_argument("--only", default="", help="bugs whose names have these words in them")
    only = parser.parse_args().only
    chosen = [mutant for mutant in MUTANTS if only in mutant.name]
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        os.chmod(folder, 0o755)  # the embedded Postgres of root is another user's
        data_dir = Path(folder) / "postgres"
        url = embedded.ensure_running(data_dir)
        try:
            outcomes = [tried(mutant, Path(folder), url) for mutant in chosen]
        finally:
            embedded.stop(data_dir)
    caught = sum(outcome.caught for outcome in outcomes)
    print(f"{caught} of {len(chosen)} bugs caught")
    raise SystemExit(0 if caught == len(chosen) else 1)


def tried(mutant: Mutant, folder: Path, url: str) -> Outcome:
    """Plants it, looks for it, and prints a line about it."""
    began, copy = time.monotonic(), folder / "copy"
    copy.mkdir()
    try:
        plant(mutant, copy_of_the_package(copy))
        outcome = look_for_it(mutant, copy, url)
    except CannotPlant as error:
        outcome = Outcome(False, f"CANNOT BE PLANTED: {error}")
    finally:
        shutil.rmtree(copy)
    outcome = replace(outcome, seconds=outcome.seconds or time.monotonic() - began)
    print(line_of(mutant, outcome), flush=True)
    return outcome


def line_of(mutant: Mutant, outcome: Outcome) -> str:
    """One line of the table, and what was found below it."""
    word = "caught" if outcome.caught else "NOT CAUGHT"
    found = f"{outcome.histories} histories, {outcome.steps} steps" if outcome.histories else ""
    return (
        f"{word:10}  {mutant.name}\n"
        f"            by the {mutant.by}: {outcome.by}: {found}{', ' if found else ''}"
        f"{outcome.seconds:.1f} s\n"
        f"            {outcome.words[:160]}"
    )


if __name__ == "__main__":
    main()
