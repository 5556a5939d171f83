"""What a service costs while a test plays: memory, processor time, handles, threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """A process with all that it started, at one moment."""

    at_s: float
    memory_mib: float
    #: The same without the inspection's workers.
    main_memory_mib: float
    handles: int
    threads: int
    processes: int


def sample(pid: int) -> Sample:
    """Measure a process and its children now. Raises `psutil.Error` where it is gone."""
    main = psutil.Process(pid)
    own = main.memory_info().rss
    total, count = own, 1
    for child in main.children(recursive=True):
        with suppress(psutil.Error):
            total += child.memory_info().rss
            count += 1
    return Sample(
        time.monotonic(), total / _MIB, own / _MIB, main.num_fds(), main.num_threads(), count
    )


@dataclass
class Load:
    """What a process took while it was measured."""

    began: Sample
    peak_mib: float = 0.0
    cpu_s: float = 0.0
    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    @property
    def cpu_share(self) -> float:
        """Of one processor."""
        return self.cpu_s / self.seconds if self.seconds else 0.0

    @property
    def gained_mib(self) -> float:
        """By how much its main process was larger than at the beginning, at worst."""
        return self.peak_mib - self.began.main_memory_mib


@contextmanager
def measured(pid: int, every_s: float = 0.05) -> Iterator[Load]:
    """Measures a process while the block runs."""
    process, over = psutil.Process(pid), threading.Event()
    load, before = Load(sample(pid)), process.cpu_times()
    began_s = time.monotonic()

    def watch() -> None:
        with suppress(psutil.Error):
            while not over.wait(every_s):
                load.samples.append(sample(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield load
    finally:
        over.set()
        thread.join()
        after = process.cpu_times()
        load.cpu_s = after.user + after.system - before.user - before.system
        load.seconds = time.monotonic() - began_s
        seen = [taken.main_memory_mib for taken in load.samples]
        load.peak_mib = max(seen, default=load.began.main_memory_mib)
