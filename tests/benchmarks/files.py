"""An output directory with very many old files: what the service costs, and how soon it sees a new
one, beside an empty directory in the same run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
from PIL import Image
from rich.console import Console
from rich.table import Table

from reconciler.simulator.simulator import Simulator
from tests.benchmarks.measure import Place
from tests.integration.running import running
from tests.waiting import wait_for

#: Seconds between rescans, a third of the default, so that some fall into what is measured.
RESCAN_S = 20.0
#: Listed and proven: less processor time than this in a while, in seconds.
_CALM_S = 0.4
_CALM_OVER_S = 4.0
_MEMORY = Path("/dev/shm")
_OLD_S = 2 * 86_400.0


@dataclass(frozen=True, slots=True)
class Tree:
    """How many files, evenly in how many folders."""

    files: int
    folders: int


WHOLE = Tree(1_000_000, 10_000)
QUICK = Tree(100_000, 1_000)
EMPTY = Tree(0, 0)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one service."""

    tree: Tree
    observer: str
    #: From the start of the process until it watches, until a first new file is inspected, and
    #: until everything is listed and proven.
    ready_s: float
    first_s: float
    calm_s: float
    rss_bytes: int
    #: Of a core, when nothing changes.
    idle_percent: float
    #: From the closing of a new file until it is inspected, in seconds.
    seen_s: float


def run(console: Console, place: Callable[[], Place], *, quick: bool) -> None:
    """Measures and prints."""
    tree = QUICK if quick else WHOLE
    idle_s, samples = (20.0, 10) if quick else (60.0, 20)
    with _planted(tree) as roots:
        found = [
            measure(place(), roots[each], each, observer, idle_s, samples)
            for observer in ("inotify", "polling")
            for each in (EMPTY, tree)
        ]
        _show(console, found)
        console.print(
            f"watchdog's own polling observer, {tree.files:,} files: {_theirs(roots[tree])}"
        )


def measure(
    place: Place, root: Path, tree: Tree, observer: str, idle_s: float, samples: int
) -> Figures:
    """One service on one directory."""
    config = place.folder / "reconciler.yaml"
    with Simulator(place.folder / "unused", version=place.comfyui_version) as gpu:
        server = {"name": "gpu", "url": gpu.url, "output_dir": str(root)}
        settings = {
            "servers": [server],
            "database": {"url": place.database_url},
            "data_dir": str(place.folder / "data"),
            "watch": {"observer": observer, "rescan_s": RESCAN_S},
        }
        config.write_text(json.dumps(settings), encoding="utf-8")
        began_s = time.monotonic()
        with running(config) as service, closing(psycopg2.connect(place.database_url)) as database:
            database.autocommit = True
            ready_s = time.monotonic() - began_s
            _seen(database, root)
            first_s = time.monotonic() - began_s
            process = psutil.Process(service.process.pid)
            _calm(process)
            calm_s = time.monotonic() - began_s
            idle = _idle_percent(process, idle_s)
            seen = [_seen(database, root) for _ in range(samples)]
            rss = process.memory_info().rss
    return Figures(tree, observer, ready_s, first_s, calm_s, rss, idle, statistics.median(seen))


def _seen(database: psycopg2.extensions.connection, root: Path) -> float:
    """How long until a new picture in one of the folders is inspected; it is deleted again."""
    folder = next((entry for entry in sorted(root.glob("*/*")) if entry.is_dir()), root)
    path = folder / f"new_{time.monotonic_ns()}.png"
    Image.new("RGB", (64, 64)).save(path)
    began_s = time.monotonic()
    with database.cursor() as cursor:

        def known() -> bool:
            cursor.execute("select from reconciler.outputs where path = %s", (os.fsencode(path),))
            return cursor.rowcount == 1

        while not known():
            if time.monotonic() - began_s > 300.0:
                raise RuntimeError(f"{path} was not seen")
            threading.Event().wait(0.002)
    seen_s = time.monotonic() - began_s
    path.unlink()
    return seen_s


def _calm(process: psutil.Process) -> None:
    """Waits until it is done with the listings that it begins with."""
    pause = threading.Event()

    def is_calm() -> bool:
        before_s = _cpu_s(process)
        pause.wait(_CALM_OVER_S)
        return _cpu_s(process) - before_s < _CALM_S

    pause.wait(RESCAN_S * 1.5)  # the second listing proves the first
    wait_for(is_calm, "everything is listed", timeout_s=300.0)


def _idle_percent(process: psutil.Process, over_s: float) -> float:
    before_s, began_s = _cpu_s(process), time.monotonic()
    threading.Event().wait(over_s)
    return 100 * (_cpu_s(process) - before_s) / (time.monotonic() - began_s)


def _cpu_s(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


@contextmanager
def _planted(tree: Tree) -> Iterator[dict[Tree, Path]]:
    """A directory like that, of files that are days old, and an empty one; in memory."""
    folder = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="reconciler-files-", dir=folder) as home:
        roots = {EMPTY: Path(home) / "empty", tree: Path(home) / "full"}
        roots[EMPTY].mkdir()
        old = time.time() - _OLD_S
        for number in range(tree.folders):
            path = roots[tree] / f"{number // 100:04}" / f"{number % 100:02}"
            path.mkdir(parents=True)
            descriptor = os.open(path, os.O_RDONLY)
            for file in range(tree.files // tree.folders):
                name = f"ComfyUI_{file:05}_.png"
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=descriptor))
                os.utime(name, (old, old), dir_fd=descriptor)
            os.close(descriptor)
        yield roots


_THEIRS = """
import sys, time, psutil
from watchdog.events import FileSystemEventHandler
from watchdog.observers.polling import PollingObserver
began = time.monotonic()
observer = PollingObserver(timeout=2.0)
observer.schedule(FileSystemEventHandler(), sys.argv[1], recursive=True)
observer.start()
while not all(getattr(e, "_snapshot", None) for e in observer.emitters):
    time.sleep(0.05)
rss = psutil.Process().memory_info().rss
print(f"first look {time.monotonic() - began:.1f} s, {rss / 1e6:.0f} MB after it")
import os; os._exit(0)
"""


def _theirs(root: Path) -> str:
    command = [sys.executable, "-c", _THEIRS, os.fspath(root)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _show(console: Console, found: list[Figures]) -> None:
    table = Table(title="An output directory with old files, and an empty one")
    titles = ("observer", "files", "watches s", "first file s", "listed s", "RSS MB",
              "idle CPU %", "new file s", "ratio")  # fmt: skip
    for title in titles:
        table.add_column(title, justify="right")
    empty: dict[str, Figures] = {}
    for each in found:
        base = empty.setdefault(each.observer, each)
        table.add_row(
            each.observer,
            f"{each.tree.files:,}",
            f"{each.ready_s:.1f}",
            f"{each.first_s:.1f}",
            f"{each.calm_s:.0f}",
            f"{each.rss_bytes / 1e6:.0f}",
            f"{each.idle_percent:.2f}",
            f"{each.seen_s:.3f}",
            f"{each.seen_s / base.seen_s:.2f}",
        )
    console.print(table)
