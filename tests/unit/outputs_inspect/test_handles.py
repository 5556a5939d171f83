"""No descriptor is left: it is said in words, and none of those that were taken is kept."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from reconciler.errors import InspectionError
from reconciler.outputs import child
from reconciler.outputs.limits import Limits
from reconciler.outputs.worker_process import WorkerProcess


@contextmanager
def free_descriptors(count: int) -> Iterator[None]:
    """At most so many more can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for descriptor in taken[len(taken) - count :]:
            os.close(descriptor)
        del taken[len(taken) - count :]
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("count", range(9))
def test_a_worker_that_cannot_be_started_keeps_nothing(count: int) -> None:
    before = open_descriptors()
    with free_descriptors(count), pytest.raises(InspectionError, match="Too many open files"):
        WorkerProcess(Limits())
    assert open_descriptors() == before


@pytest.mark.parametrize("count", range(6))
def test_a_child_that_cannot_be_started_keeps_nothing(count: int, tmp_path: Path) -> None:
    class Deaf:
        def feed(self, data: bytes) -> None: ...

    with (tmp_path / "file").open("w+b") as file:
        before = open_descriptors()
        sinks = {name: Deaf() for name in ("a", "b", child.STDERR)}
        what = child.Child(lambda pipes: ["true"], sinks, file.fileno())
        with free_descriptors(count), pytest.raises(InspectionError, match="Too many open files"):
            child.run(what, Limits())
        assert open_descriptors() == before
