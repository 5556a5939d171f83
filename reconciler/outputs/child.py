"""A child process that may do little: limited, drained without deadlock, and always ended.

It stays in the process group of its parent: a worker of the pool and its ffmpeg end by one signal.

Linux only: limits are set from outside by prlimit, since code between fork and exec is unsafe in
a process with threads, and the end is awaited through a pidfd, so that pipes and exit are one wait.
"""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from reconciler.errors import InspectionError
from reconciler.outputs.limits import Limits
from reconciler.outputs.sinks import Sink

READ_BYTES = 256 * 1024
#: The only variables a child gets: no password, no FFREPORT, no proxy.
PASSED_ON = ("PATH", "HOME", "PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR")
#: One language, no colors; and few arenas, each of which reserves 64 MiB of address space.
SET = {"LC_ALL": "C", "AV_LOG_FORCE_NOCOLOR": "1", "MALLOC_ARENA_MAX": "2"}
STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Child:
    """What to run: `command` gets the descriptor of each named pipe, and gives the arguments."""

    command: Callable[[Mapping[str, int]], Sequence[str]]
    #: Name of each pipe and what takes its output; `stderr` is the child's standard error.
    sinks: Mapping[str, Sink]
    #: Descriptor of the file to inspect: the only file that is handed to the child.
    file: int


def run(child: Child, limits: Limits) -> int:
    """Run a child to its end and return its exit status, negative where a signal ended it.

    Raises InspectionError where it cannot be started or goes beyond a limit. When this returns or
    raises, the child is gone.
    """
    with ExitStack() as stack:
        process, readers = _start(child, stack)
        try:
            _limit(process.pid, limits)
            sinks = {readers[name]: sink for name, sink in child.sinks.items()}
            in_time = _drain(process.pid, sinks, limits.wall_s)
        except OSError as error:
            raise InspectionError(f"the inspecting process cannot be watched: {error}") from error
        finally:
            _end(process)
        for reader, sink in sinks.items():
            _empty(reader, sink)
    if not in_time:
        raise InspectionError(f"inspection took longer than {limits.wall_s:g} s and was ended")
    if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise killed(limits)
    return process.returncode


def killed(limits: Limits) -> InspectionError:
    """Return the error for a process that was killed, and not by us."""
    return InspectionError(
        f"inspection was killed: by its limit of {limits.cpu_s} s of processor time, "
        "or by the system for want of memory"
    )


def environment() -> dict[str, str]:
    """Return the variables that a child may have."""
    return {**{name: os.environ[name] for name in PASSED_ON if name in os.environ}, **SET}


def _start(child: Child, stack: ExitStack) -> tuple[subprocess.Popen[bytes], dict[str, int]]:
    """Start it; return it and what is read of each pipe, which `stack` closes."""
    readers: dict[str, int] = {}
    writers: dict[str, int] = {}
    try:
        with ExitStack() as handed_on:
            for name in child.sinks:
                readers[name], writers[name] = os.pipe()
                stack.callback(os.close, readers[name])
                handed_on.callback(os.close, writers[name])
            process = subprocess.Popen(
                child.command(writers),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=writers[STDERR],
                pass_fds=(child.file, *writers.values()),
                env=environment(),
                cwd="/",
            )
    except OSError as error:
        raise InspectionError(f"the inspecting process cannot be started: {error}") from error
    return process, readers


def _limit(pid: int, limits: Limits) -> None:
    """Soft and hard at once: at the soft limit of its time ffmpeg would end as if it were done."""
    wanted = {
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    with suppress(ProcessLookupError):  # it may have ended already
        for kind, limit in wanted.items():
            _, hard = resource.prlimit(pid, kind)
            most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.prlimit(pid, kind, (most, most))


def _drain(pid: int, sinks: Mapping[int, Sink], wall_s: float) -> bool:
    """Read every pipe until the child ends. False: it did not within `wall_s`."""
    deadline = time.monotonic() + wall_s
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        ended = os.pidfd_open(pid)
        stack.callback(os.close, ended)
        selector.register(ended, selectors.EVENT_READ)
        for reader in sinks:
            selector.register(reader, selectors.EVENT_READ)
        while (left_s := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                if key.fd == ended:
                    return True
                data = os.read(key.fd, READ_BYTES)
                sinks[key.fd].feed(data)
                if not data:
                    selector.unregister(key.fd)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _empty(reader: int, sink: Sink) -> None:
    """Read what a dead child left in a pipe, and wait for nobody who may have inherited it."""
    os.set_blocking(reader, False)
    with suppress(BlockingIOError):
        while data := os.read(reader, READ_BYTES):
            sink.feed(data)
