"""Who judges a media file, each with what it said and the processor time that it took."""

from __future__ import annotations

import re
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from reconciler.errors import ReconcilerError
from reconciler.outputs.inspection import Defect
from reconciler.outputs.pool import Inspectors
from tests.corpus.cases import Case
from tests.corpus.ffmpeg import executable
from tests.corpus.pyav import look


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said of one file."""

    blamed: bool
    frames: int | None = None
    words: str = ""


STATUS, ERRORS, WARNINGS = "ffmpeg, exit status", "ffmpeg, stderr at error", "ffmpeg, at warning"
PYAV, OURS = "PyAV, all flags", "reconciler"


@dataclass(slots=True)
class Asked:
    """One file, what everybody said of it, and the seconds of processor time each took."""

    path: Path
    case: Case | None = None
    said: dict[str, Said] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    #: Whether its damage can be seen without a digest; meaningless where there is none.
    visible: bool = True


Judge = Callable[[Path], Said]
_FRAMES = re.compile(rb"^frame=\s*(\d+)", re.MULTILINE)


def _ffmpeg(path: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [executable(), *options, "-nostdin", "-i", f"file:{path}", "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)


def plain(path: Path) -> tuple[Said, Said]:
    """One run of `ffmpeg -v error`: by its exit status, and by whether it complained."""
    done = _ffmpeg(path, "-v", "error")
    words = done.stderr.decode(errors="replace").strip()
    return Said(done.returncode != 0, words=words), Said(bool(words), words=words)


def warned(path: Path) -> Said:
    """`ffmpeg -v warning`, with its own count of the frames."""
    done = _ffmpeg(path, "-v", "warning", "-progress", "pipe:1", "-nostats")
    words = done.stderr.decode(errors="replace").strip()
    counts = _FRAMES.findall(done.stdout)
    return Said(bool(words), int(counts[-1]) if counts else None, words)


def pyav(path: Path) -> Said:
    """A loop of PyAV over all packets with all flags, in this very process."""
    words, frames = look(path)
    return Said(bool(words), frames, words)


def ours(inspectors: Inspectors) -> Judge:
    """The pool that the service inspects by, with what the service wants of it."""

    def judge(path: Path) -> Said:
        try:
            seen = inspectors.inspect(path)
        except ReconcilerError as error:
            return Said(False, words=f"not inspected: {error}")
        return Said(bool(seen.defects), seen.frames, "; ".join(map(_words, seen.defects)))

    return judge


def _words(defect: Defect) -> str:
    return f"{defect.kind}: {defect.detail}"


def cpu_s() -> float:
    """Processor time of this process, of its children that ended, and of those that live."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
