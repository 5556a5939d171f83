"""The process that inspects files, one after the other, for a pool (see `pool`).

It has no thread but the first, is in a process group with the ffmpeg that it starts, opens no file
itself, and dies with the process that started it.
"""

from __future__ import annotations

import base64
import fcntl
import math
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from reconciler.errors import InspectionError
from reconciler.outputs import wire
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.inspect import inspect_open
from reconciler.outputs.inspection import Inspection, to_json
from reconciler.outputs.limits import Limits
from reconciler.outputs.progress import Progress
from reconciler.outputs.sandbox import confine
from reconciler.outputs.wanted import Wanted

#: Seconds between two reports of progress; a file that takes less causes none.
REPORT_S = 0.5


def main() -> None:
    """Serve until the pool goes away. Arguments: the descriptors of line and lifeline."""
    line, lifeline = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    with suppress(wire.Closed):
        _die_with(lifeline)
        limits = Limits(**wire.receive(line))
        Image.init()  # every decoder is imported while that is still possible
        executable = None
        with suppress(InspectionError):  # without ffmpeg, stills can be inspected all the same
            executable = Path(ffmpeg())
        wire.send(line, {"ready": asdict(confine(limits, executable))})
        while True:
            _serve(line, limits)


def _die_with(lifeline: int) -> None:
    """Have the kernel kill this whole group once the pipe's other end is closed, however it is.

    A death signal to the parent's child would not do: it comes when the *thread* ends that started
    the worker, and it would leave ffmpeg.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        if not os.read(lifeline, 1):  # closed before the kernel had been asked
            sys.exit()


def _serve(line: socket.socket, limits: Limits) -> None:
    request, file = wire.receive_file(line)
    try:
        answer = _inspect(line, request, file, limits)
    finally:
        os.close(file)
    wire.send(line, answer)


def _inspect(line: socket.socket, request: wire.Message, file: int, limits: Limits) -> wire.Message:
    _allow_cpu(limits.cpu_s)
    try:
        name, wanted = Path(request["name"]), Wanted(**request["wanted"])
        return pack(inspect_open(file, name, limits, wanted, _Reporter(line)))
    except InspectionError as error:
        return {"failed": str(error)}
    except MemoryError:
        most = limits.memory_bytes // 1024**2
        return {"failed": f"inspection needs more than the {most} MiB it may use"}
    except Exception as error:  # a mistake of ours: nothing is said about the file
        return {"failed": f"the inspection broke off: {type(error).__name__}: {error}"}


def pack(inspection: Inspection) -> wire.Message:
    """Give the message that holds an inspection. Its other side is `answer.unpack`."""
    picture = inspection.thumbnail
    return {
        "inspection": to_json(inspection),
        "thumbnail": picture and base64.b64encode(picture).decode("ascii"),
    }


def _allow_cpu(seconds: int) -> None:
    """Move the limit on this process, which counts from its start, to `seconds` from now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


class _Reporter:
    """Tells the pool of the progress, now and then."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._next = time.monotonic() + REPORT_S

    def __call__(self, progress: Progress) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + REPORT_S
            wire.send(self._line, {"progress": asdict(progress)})
