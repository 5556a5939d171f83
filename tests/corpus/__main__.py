"""`python -m tests.corpus DIR [--seed N] [--split work|report]`: writes a corpus."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from tests.corpus.build import SPLITS, build
from tests.corpus.pristine import recipes


def main() -> None:
    """Writes it, and says what is in it and what could not be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("folder", type=Path, help="where; created where it is missing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=SPLITS, default="work")
    parser.add_argument("--only", nargs="*", help="names of recipes, such as mp4-h264")
    given = parser.parse_args()
    began_s = time.monotonic()
    only = frozenset(given.only) if given.only else None
    cases = build(given.folder, given.seed, given.split, only)
    counted = Counter(case.truth.value for case in cases)
    print(f"{len(cases)} files in {time.monotonic() - began_s:.0f} s: {dict(counted)}")
    for line in recipes()[1]:
        print("not made:", line)


if __name__ == "__main__":
    main()
