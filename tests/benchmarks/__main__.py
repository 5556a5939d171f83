"""`python -m tests.benchmarks [PART] [--quick]`: measures, and prints the tables."""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2
from rich.console import Console

from reconciler.store import open_store
from reconciler.store.embedded import ensure_running, stop
from tests.benchmarks import (
    contenders,
    eta,
    files,
    fleet,
    live,
    loads,
    pages,
    previews,
    report,
    scale,
    verdicts,
    webhooks,
)
from tests.benchmarks.measure import Place, measure


def main() -> None:
    """Measures reactions and load: ours one by one, then the poller; then the verdicts.

    `files`, a directory with a million of them, is measured alone: it takes minutes and a GB. So
    are `scale`, up to a hundred thousand open jobs, `fleet`, two hundred agents, `eta`, how
    wrong the remaining time is on made-up histories, `previews`, what a contact sheet costs,
    and `pages`, a page of jobs among a million.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parts = (
        "all",
        "verdicts",
        "reactions",
        "files",
        "scale",
        "fleet",
        "eta",
        "previews",
        "pages",
        "live",
        "webhooks",
    )
    parser.add_argument("part", nargs="?", choices=parts, default="all")
    parser.add_argument("--quick", action="store_true", help="fewer ends; under 90 s")
    parser.add_argument("--comfyui", default="0.33.0", help="which version is simulated")
    given = parser.parse_args()
    plan = loads.QUICK if given.quick else loads.WHOLE
    console = Console(width=max(100, Console().width))
    began_s = time.monotonic()
    console.print(_machine(given.comfyui))
    if given.part in ("all", "reactions"):
        _reactions(console, plan, given.comfyui)
    if given.part in ("all", "verdicts"):
        verdicts.run(console, quick=given.quick)
    if given.part == "files":
        with _laboratory(given.comfyui) as laboratory:
            files.run(console, laboratory.place, quick=given.quick)
    if given.part == "scale":
        with _laboratory(given.comfyui) as laboratory:
            scale.run(console, laboratory.place, quick=given.quick)
    if given.part == "fleet":
        fleet.run(console, quick=given.quick)
    if given.part == "eta":
        eta.run_all(console, quick=given.quick)
    if given.part == "previews":
        previews.run(console, quick=given.quick)
    if given.part == "live":
        with _laboratory(given.comfyui) as laboratory:
            live.run(console, laboratory.place, quick=given.quick)
    if given.part == "pages":
        with _laboratory(given.comfyui) as laboratory:
            pages.run(console, laboratory.place().database_url, quick=given.quick)
    if given.part == "webhooks":
        with _laboratory(given.comfyui) as laboratory:
            webhooks.run(console, laboratory.place().database_url, quick=given.quick)
    console.print(f"{time.monotonic() - began_s:.0f} s; {_load_average()}")


def _reactions(console: Console, plan: loads.Plan, comfyui_version: str) -> None:
    with _laboratory(comfyui_version) as laboratory:
        ours = [measure(contenders.reconciler, load, laboratory.place()) for load in plan.ours]
        report.show_costs(console, ours)
        # It mostly sleeps, so that three of them do not get in each other's way.
        with ThreadPoolExecutor(len(plan.polled)) as pool:
            begun = [
                pool.submit(measure, contenders.poller, load, laboratory.place())
                for load in plan.polled
            ]
            polled = [each.result() for each in begun]
    report.show(console, [each for each in ours if each.reactions], polled)


class _Laboratory:
    """A Postgres, and a folder and a database of its own for each measurement."""

    def __init__(self, home: Path, comfyui_version: str) -> None:
        self._home = home
        self._version = comfyui_version
        self._url = ensure_running(home / "data")
        self._numbers = itertools.count(1)

    def place(self) -> Place:
        """A new place, with the tables that everybody finds there."""
        name = f"measurement_{next(self._numbers)}"
        folder = self._home / name
        folder.mkdir()
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(f'create database "{name}"')
        url = urlsplit(self._url)._replace(path=f"/{name}").geturl()
        open_store(url).connection.close()
        return Place(folder, url, self._version)


@contextmanager
def _laboratory(comfyui_version: str) -> Iterator[_Laboratory]:
    home = Path(tempfile.mkdtemp(prefix="reconciler-benchmark-"))
    home.chmod(0o711)  # root's Postgres runs under an account of its own, and must get through
    try:
        yield _Laboratory(home, comfyui_version)
    finally:
        stop(home / "data")
        shutil.rmtree(home, ignore_errors=True)


def _machine(comfyui_version: str) -> str:
    memory = f"{psutil.virtual_memory().total / 1e9:.0f} GB"
    return (
        f"{os.cpu_count()} cores, {memory}, {platform.system()}, Python"
        f" {platform.python_version()}, simulated ComfyUI {comfyui_version}; {_load_average()}"
    )


def _load_average() -> str:
    return "load average " + " ".join(f"{each:.1f}" for each in os.getloadavg())


if __name__ == "__main__":
    main()
