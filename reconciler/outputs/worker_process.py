"""The pool's end of one worker: the process, the line to it, and its end."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict

from pydantic import TypeAdapter

from reconciler.errors import InspectionError
from reconciler.outputs import wire
from reconciler.outputs.child import environment, killed
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.limits import Limits
from reconciler.outputs.sandbox import Sandbox
from reconciler.outputs.text import printable

#: The worker imports what this process would import, from where it would.
_START = (
    "import sys; sys.path[:] = sys.argv[3:]\nfrom reconciler.outputs import worker\nworker.main()"
)
#: A cold disk may take long to give Python; a worker that never comes must not be waited for.
START_S = 60.0
#: What a worker writes to its standard error is read up to this.
_MAX_WORDS = 64 * 1024
#: Signals by which a program ends itself. Others are sent by somebody: no fault of the file.
_CRASHES = {-number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL)}
_SANDBOX = TypeAdapter(Sandbox)


class Crashed(Exception):
    """The worker died of a signal, and so of the file that it held."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.signal = number


class WorkerProcess:
    """One worker. Used by one thread at a time, save for `stop`, which any thread may call."""

    def __init__(self, limits: Limits) -> None:
        """Start it. Raises InspectionError where that fails."""
        if sys.platform != "linux":
            raise InspectionError("files can be inspected on Linux alone: docs/install.md has how")
        self.sandbox = Sandbox()
        #: Files that it was given so far.
        self.files = 0
        self._limits = limits
        self._lock = threading.Lock()
        self._ready = self._stopped = self._reaped = False
        self._held = ExitStack()
        try:
            with ExitStack() as handed_on:  # the worker has copies of its own once it runs
                self._line, theirs = socket.socketpair()
                self._held.callback(self._line.close)
                handed_on.callback(theirs.close)
                watched, self._lifeline = _pipe(reader=handed_on, writer=self._held)
                self._words, words = _pipe(reader=self._held, writer=handed_on)
                os.set_blocking(self._words, False)
                os.set_blocking(words, False)  # who writes too much loses words, waits for nobody
                self._process = self._start(theirs.fileno(), watched, words)
        except OSError as error:
            self._close()
            raise InspectionError(f"the inspecting process cannot be started: {error}") from error

    def _start(self, line: int, lifeline: int, words: int) -> subprocess.Popen[bytes]:
        path = [os.path.abspath(entry) for entry in sys.path]
        variables = environment()
        with suppress(InspectionError):
            variables["IMAGEIO_FFMPEG_EXE"] = ffmpeg()
        python = [sys.executable, "-P", "-W", "ignore", "-c", _START]
        return subprocess.Popen(
            [*python, str(line), str(lifeline), *path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            pass_fds=(line, lifeline),
            env=variables,
            cwd="/",
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        """False once its end was noticed."""
        return not self._reaped

    def await_ready(self) -> None:
        """Wait until it can be given files. Raises InspectionError where it never can."""
        if self._ready:
            return
        deadline = time.monotonic() + START_S
        try:
            self._send(asdict(self._limits), None, deadline)
            self.sandbox = _SANDBOX.validate_python(self.next_answer(deadline)["ready"])
        except (TimeoutError, LookupError, ValueError, Crashed) as error:
            reason = printable(str(error))
            raise InspectionError(f"the inspecting process does not start: {reason}") from error
        self._ready = True

    def ask(self, request: wire.Message, file: int, deadline: float) -> wire.Message:
        """Give it an open file, and wait for its first answer. Raises as `next_answer`."""
        self.files += 1
        self._send(request, file, deadline)
        return self.next_answer(deadline)

    def next_answer(self, deadline: float) -> wire.Message:
        """Wait for an answer, until `deadline` of the monotonic clock.

        Raises TimeoutError, Crashed where it died of the file, and InspectionError where it went
        away for another reason, or said what is no answer.
        """
        try:
            return wire.receive(self._line, deadline)
        except wire.Closed:
            raise self._death() from None
        except wire.Garbled as error:
            reason = f"the inspecting process gave no usable answer: {error}"
            raise InspectionError(reason) from error

    def stop(self) -> None:
        """Kill it while another thread waits for its answer, which gets InspectionError."""
        self._stopped = True
        with self._lock:
            self._kill()

    def end(self) -> None:
        """End it and all that it started, and let go of everything."""
        self._reap()
        self._close()

    def _send(self, message: wire.Message, file: int | None, deadline: float) -> None:
        self._line.settimeout(max(deadline - time.monotonic(), 1e-6))
        try:
            wire.send(self._line, message, file)
        except wire.Closed:
            raise self._death() from None

    def _death(self) -> Exception:
        """What its end means, once its end of the line is closed."""
        self._await_exit(1.0)
        status = self._reap()
        if self._stopped:
            return InspectionError("the inspection was stopped")
        if status in _CRASHES:
            return Crashed(-status)
        if status in (-signal.SIGKILL, -signal.SIGXCPU):
            return killed(self._limits)
        ended = f"exit status {status}" if status >= 0 else f"signal {-status}"
        return InspectionError(f"the inspecting process ended ({ended}): {self._said()}")

    def _await_exit(self, seconds: float) -> None:
        """Without reaping it, so that its number stays its own."""
        try:
            ended = os.pidfd_open(self._process.pid)
        except OSError as error:  # no descriptor is free
            raise InspectionError(f"the inspecting process cannot be awaited: {error}") from error
        try:
            select.select([ended], [], [], seconds)
        finally:
            os.close(ended)

    def _reap(self) -> int:
        with self._lock:
            self._kill()
            self._reaped = True  # from now on its number may be another's
        return self._process.wait()

    def _said(self) -> str:
        with suppress(BlockingIOError):
            words = os.read(self._words, _MAX_WORDS).decode("utf-8", "backslashreplace")
            return printable(words.strip()[-200:])
        return ""

    def _kill(self) -> None:
        if not self._reaped:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _close(self) -> None:
        self._held.close()


def _pipe(*, reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """A pipe, each end of which is closed by somebody."""
    ends = os.pipe()
    reader.callback(os.close, ends[0])
    writer.callback(os.close, ends[1])
    return ends
