"""A thousand readers of the stream on one running service: how late they hear, and what it costs.

The readers are in a process of their own, each on a connection of its own. What is measured with
one reader is measured with a thousand right afterwards, in the same run: the ratio is what counts.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg2
from rich.console import Console
from rich.table import Table

from reconciler.simulator.simulator import Simulator
from tests.benchmarks.measure import Place
from tests.integration.running import running, write_config
from tests.waiting import wait_for

#: Events a second that are written while it is measured.
RATE_PER_S = 5.0
_INSERT = (
    "insert into reconciler.events (job_id, attempt, kind, reason) values ('bench', 1, 'note', %s)"
)


@dataclass(frozen=True)
class Result:
    """What so many readers heard and cost."""

    readers: int
    #: From the commit to a reader, in seconds, of each event and reader.
    late_s: list[float]
    #: Of the service, its children apart, in percent of a core; and its memory.
    cpu_percent: float
    rss_bytes: int
    #: From a row's insertion to its being seen by a pass, in seconds: the median.
    pass_s: float


def run(console: Console, place: Callable[[], Place], *, quick: bool) -> None:
    """Measures one reader, then a thousand, and prints both."""
    seconds = 8.0 if quick else 30.0
    with _service(place()) as (url, database_url, pid):
        results = [_measure(url, database_url, pid, n, seconds) for n in (1, 100, 1000)]
    console.print(_table(results))


@contextmanager
def _service(place: Place) -> Iterator[tuple[str, str, int]]:
    with Simulator(place.folder / "output", version=place.comfyui_version) as simulator:
        web = {"port": 0, "requests_per_minute": None}
        config = write_config(place.folder, place.database_url, simulator, web=web)
        with running(config) as service:
            words = wait_for(lambda: _web_url(service.log.read_text()), "it serves")
            yield words, place.database_url, service.process.pid


def _web_url(log: str) -> str | None:
    for word in log.replace("=", " ").replace('"', " ").split():
        if word.startswith("http://127.0.0.1:") and "web interface" in log:
            port = word.rsplit(":", 1)[1].rstrip("/")
            if _answers(int(port)):
                return f"127.0.0.1:{port}"
    return None


def _answers(port: int) -> bool:
    import httpx

    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=2.0).text.startswith("ok")
    except httpx.HTTPError:
        return False


def _measure(url: str, database_url: str, pid: int, readers: int, seconds: float) -> Result:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_read_all, args=(url, readers, theirs), daemon=True)
    process.start()
    assert ours.poll(60.0) and ours.recv() == readers, "all readers hear the greeting"
    service = psutil.Process(pid)
    cpu_s, began_s = sum(service.cpu_times()[:2]), time.monotonic()
    seen = _write(database_url, seconds)
    over_s = time.monotonic() - began_s
    cpu_percent = 100 * (sum(service.cpu_times()[:2]) - cpu_s) / over_s
    time.sleep(1.0)
    rss_bytes = service.memory_info().rss
    ours.send("stop")
    assert ours.poll(60.0)
    late_s = ours.recv()
    process.join(10.0)
    return Result(readers, late_s, cpu_percent, rss_bytes, statistics.median(seen))


def _write(database_url: str, seconds: float) -> list[float]:
    """Events at a steady rate; and rows of which it is measured when a pass sees them."""
    stop, seen = threading.Event(), list[float]()
    rows = threading.Thread(target=_insert_rows, args=(database_url, stop, seen))
    rows.start()
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for _ in range(round(seconds * RATE_PER_S)):
            cursor.execute(_INSERT, (json.dumps({"committed": time.time()}),))
            cursor.execute("notify reconciler, 'event'")
            time.sleep(1 / RATE_PER_S)
    stop.set()
    rows.join()
    return seen


def _insert_rows(database_url: str, stop: threading.Event, seen: list[float]) -> None:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        while not stop.is_set():
            cursor.execute("insert into production_jobs default values returning id::text")
            (job_id,) = cursor.fetchone() or ("",)
            began_s = time.monotonic()
            while not _is_seen(cursor, job_id):
                time.sleep(0.01)
            seen.append(time.monotonic() - began_s)


def _is_seen(cursor: Any, job_id: str) -> bool:
    cursor.execute("select from reconciler.job_state where job_id = %s", (job_id,))
    return bool(cursor.rowcount)


def _read_all(address: str, readers: int, pipe: Any) -> None:
    """The process of the readers."""
    asyncio.run(_read(address, readers, pipe))


async def _read(address: str, readers: int, pipe: Any) -> None:
    late_s: list[float] = []
    greeted = asyncio.Semaphore(0)
    turns = asyncio.Semaphore(50)
    tasks = [asyncio.create_task(_one(address, late_s, greeted, turns)) for _ in range(readers)]
    for _ in range(readers):
        await greeted.acquire()
    pipe.send(readers)
    while not pipe.poll():
        await asyncio.sleep(0.1)
    pipe.send(late_s)
    for task in tasks:
        task.cancel()


async def _one(
    address: str, late_s: list[float], greeted: asyncio.Semaphore, turns: asyncio.Semaphore
) -> None:
    host, port = address.split(":")
    async with turns:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /api/v1/stream?job=bench HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        while b"event: hello" not in await reader.readline():
            pass
    greeted.release()
    while line := await reader.readline():
        if line.startswith(b"data: ") and b"committed" in line:
            told = json.loads(json.loads(line[6:])["reason"])
            late_s.append(time.time() - told["committed"])


def _table(results: list[Result]) -> Table:
    table = Table(title="Readers of the stream", title_justify="left", box=None, pad_edge=False)
    titles = ("readers", "heard", "p50 ms", "p95 ms", "p99 ms", "CPU %", "RSS MB", "row seen s")
    for title in titles:
        table.add_column(title, justify="right")
    first = results[0]
    for each in results:
        table.add_row(str(each.readers), str(len(each.late_s)), *_cells(each))
    last = results[-1]
    table.add_row(
        "ratio",
        "",
        *(f"{_late(last, p) / _late(first, p):.1f}" for p in (50, 95, 99)),
        f"{last.cpu_percent / max(first.cpu_percent, 0.01):.1f}",
        f"{last.rss_bytes / first.rss_bytes:.2f}",
        f"{last.pass_s / first.pass_s:.2f}",
    )
    table.caption = (
        f"{RATE_PER_S:g} events a second, from their commit; row seen: by a pass, median"
    )
    table.caption_justify = "left"
    return table


def _cells(result: Result) -> list[str]:
    return [
        *(f"{1e3 * _late(result, percent):.0f}" for percent in (50, 95, 99)),
        f"{result.cpu_percent:.0f}",
        f"{result.rss_bytes / 1e6:.0f}",
        f"{result.pass_s:.2f}",
    ]


def _late(result: Result, percent: int) -> float:
    return statistics.quantiles(result.late_s, n=100)[percent - 1]
