"""The process that inspects files for a pool (see `pool`), or makes pictures of them, one by one.

It is warm and stays clean: each file is seen by a fork of its own alone, which costs a few
milliseconds where a new Python costs 200. It has no thread but the first, is in one process group
with its fork and the ffmpeg that this one starts, and dies with the process that started it.
"""

from __future__ import annotations

import base64
import fcntl
import gc
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from PIL import Image

from reconciler.errors import InspectionError
from reconciler.outputs import wire
from reconciler.outputs.codecs.decoders import built_in
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.inspect import inspect_open
from reconciler.outputs.inspection import Inspection, to_json
from reconciler.outputs.limits import Limits
from reconciler.outputs.picture import make_picture, order_of
from reconciler.outputs.progress import Progress
from reconciler.outputs.sandbox import confine, lower
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
        wire.send(line, {"ready": asdict(confine(limits, _ffmpeg()))})
        gc.freeze()  # what is here is shared by all forks, and need not be looked through by each
        while True:
            _serve(line, limits)


def _ffmpeg() -> Path | None:
    """Find ffmpeg and ask it for its decoders, once for all forks; without it there are stills."""
    with suppress(InspectionError, OSError):
        built_in(ffmpeg())
        return Path(ffmpeg())
    return None


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
    """Have a fork inspect the next file. How it ended is told before the next one is taken."""
    request, file = wire.receive_file(line)
    answers, told = socket.socketpair()
    fork = os.fork()
    if not fork:
        line.close()  # who took the fork over must not get at the next file
        answers.close()
        _inspect_and_exit(told, request, file, limits)
    told.close()
    os.close(file)
    with answers:
        answer = _relay(answers, line)
    status = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    if status < 0:  # the pool sees how this process ends
        os.kill(os.getpid(), -status)
    if answer is None:
        sys.exit(status)
    wire.send(line, answer)


def _relay(answers: socket.socket, line: socket.socket) -> wire.Message | None:
    """Pass on what the fork reports; return its answer once it, and all it started, let go."""
    answer = None
    with suppress(wire.Closed, wire.Garbled):
        while True:
            message = wire.receive(answers)
            if "progress" in message:
                wire.send(line, message)
            else:
                answer = message
    return answer


def _inspect_and_exit(
    told: socket.socket, request: wire.Message, file: int, limits: Limits
) -> NoReturn:
    try:
        lower(resource.RLIMIT_CPU, limits.cpu_s)
        wire.send(told, _inspect(told, request, file, limits))
    finally:
        os._exit(0)


def _inspect(told: socket.socket, request: wire.Message, file: int, limits: Limits) -> wire.Message:
    try:
        if "picture" in request:
            return _pack_picture(make_picture(file, order_of(request["picture"]), limits))
        name, wanted = Path(request["name"]), Wanted(**request["wanted"])
        return pack(inspect_open(file, name, limits, wanted, _Reporter(told)))
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


def _pack_picture(picture: bytes) -> wire.Message:
    """Give the message that holds a picture. Its other side is `answer.unpack_picture`."""
    return {"picture": base64.b64encode(picture).decode("ascii")}


class _Reporter:
    """Tells the pool of the progress, now and then."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._next = time.monotonic() + REPORT_S

    def __call__(self, progress: Progress) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + REPORT_S
            wire.send(self._line, {"progress": asdict(progress)})
