"""Histories by hand: `python -m tests.faults.stateful` makes some, `--replay FILE` follows one.

A failing history is printed as a script (`state = History()` and one call for each step): put it
into a file, and it is followed step by step, with what the tables and the world say at its end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import reconciler
from reconciler.store import embedded
from tests.faults.stateful.database import Database
from tests.faults.stateful.machine import History
from tests.faults.stateful.running import run_histories
from tests.faults.stateful.scripts import KEPT, follow, replay
from tests.integration.conftest import execute


def main() -> None:
    """Exit status 1 where a history found something wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.stateful")
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--steps", type=int, default=40, help="of one history, at most")
    parser.add_argument("--fixed", action="store_true", help="the same histories each time")
    parser.add_argument("--no-shrink", action="store_true", help="the first one that fails will do")
    parser.add_argument("--kept", metavar="NAME", help="those of kept/, this one first")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    parser.add_argument("--url", help="a Postgres superuser's; without one a server is started")
    parser.add_argument("--json", action="store_true", help="a line for programs at the end")
    arguments = parser.parse_args()
    url = arguments.url or embedded.ensure_running(_data_dir())
    name = f"stateful_{uuid4().hex[:12]}"
    execute(url, f'create database "{name}"')
    try:
        database = Database(urlsplit(url)._replace(path=f"/{name}").geturl())
        raise SystemExit(_run(database, arguments))
    finally:
        execute(url, f'drop database "{name}" with (force)')
        if arguments.url is None:
            embedded.stop(_data_dir())
            shutil.rmtree(_data_dir(), ignore_errors=True)


def _run(database: Database, arguments: argparse.Namespace) -> int:
    History.database = database
    if arguments.replay is not None:
        return replay(arguments.replay.read_text(encoding="utf-8"))
    began, wrong, by = time.monotonic(), "", ""
    try:
        kept = () if arguments.kept is None else KEPT
        for by in sorted(kept, key=lambda name: name != arguments.kept):
            follow(by)
        by = "a new history"
        run_histories(
            database,
            arguments.histories,
            arguments.steps,
            shrink=not arguments.no_shrink,
            fixed=arguments.fixed,
        )
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
        print("\n".join([f"{by}: {wrong}", *getattr(error, "__notes__", [])]))
    seconds, counts = time.monotonic() - began, History.counts
    print(f"{counts['steps']} steps, {counts['steps'] / seconds:.0f} a second")
    print(", ".join(f"{name} {number}" for name, number in counts.most_common()))
    if arguments.json:
        found = {
            "wrong": wrong,
            "by": by,
            "histories": counts["histories"],
            "steps": counts["steps"],
        }
        print(json.dumps(found | {"seconds": seconds, "package": reconciler.__file__}))
    return 1 if wrong else 0


def _data_dir() -> Path:
    memory = Path("/dev/shm")
    return (memory if memory.is_dir() else Path("/tmp")) / f"reconciler-stateful-{os.getpid()}"


if __name__ == "__main__":
    main()
