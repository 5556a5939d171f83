"""What `reconciler check` was asked for, and who does the inspecting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.check.checked import Checked, judge
from reconciler.core.expectation import Expectation
from reconciler.outputs.inspection import Inspection
from reconciler.outputs.pool import Inspectors
from reconciler.outputs.wanted import Wanted
from reconciler.service.inspecting import limits_of

if TYPE_CHECKING:
    from reconciler.cli.check.bar import Bar
    from reconciler.settings import Settings

#: Begins the inspection of a file.
Submit = Callable[[Path], Future[Checked]]


@dataclass(frozen=True, slots=True)
class Order:
    """The arguments of the command."""

    given: tuple[Path, ...]
    expected: Expectation
    wanted: Wanted
    #: Files inspected side by side.
    jobs: int
    recursive: bool = False
    watch: bool = False
    #: Of a watched folder not what is there already.
    new: bool = False
    #: Show sound files among many.
    all_: bool = False
    json: bool = False
    #: A doubt counts as a no in the exit code.
    strict: bool = False


@contextmanager
def inspecting(order: Order, settings: Settings, bar: Bar) -> Iterator[Submit]:
    """Threads that wait for inspections. What still runs on leaving is ended."""
    pool = Inspectors(order.jobs, limits_of(settings))

    def inspect_one(path: Path) -> Inspection:
        return pool.inspect(path, order.wanted, partial(bar.within, path))

    def judge_one(path: Path) -> Checked:
        bar.begun(path)
        try:
            return judge(path, inspect_one, order.expected)
        finally:
            bar.done(path)

    threads = ThreadPoolExecutor(order.jobs, thread_name_prefix="check")
    try:
        yield lambda path: threads.submit(judge_one, path)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        pool.close()
        threads.shutdown()
