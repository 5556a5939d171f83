"""The coded data of a JPEG, decoded a second time, by ffmpeg.

libjpeg draws what it can of damaged data (ITU-T T.81, F.2) and warns of some of it, to nobody:
Pillow drops its warnings. ffmpeg says what cannot be: more coefficients than a block has, codes
that stand for nothing, data read beyond its end. Whatever libjpeg warns of in flipped bits and
zeroed blocks, ffmpeg was found to say too, and more; it costs 20 ms of processor time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from reconciler.outputs.child import STDERR, Child, run
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.inspection import Defect
from reconciler.outputs.limits import Limits
from reconciler.outputs.sinks import Lines

#: What is said of damaged data alone. All else may be a kind of JPEG that ffmpeg does not know.
_DAMAGE = re.compile(
    r".*mjpeg @ 0x[0-9a-f]+\] \[error\] "
    r"(?P<what>error count: \d+|error y=\d+ x=\d+|mjpeg_decode_dc: bad vlc: .*|overread \d+)"
)


def scan(file: int, limits: Limits) -> tuple[Defect, ...]:
    """Decode the open JPEG `file` and return the defect that its coded data has, if any.

    Raises InspectionError where ffmpeg cannot be run, or goes beyond a limit.
    """
    heard = _Heard()
    lines = Lines(heard.take, limit=limits.max_stderr_bytes)
    executable = ffmpeg()

    def command(fds: Mapping[str, int]) -> list[str]:
        quiet = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+level+error"]
        bounds = ["-threads", "1", "-max_pixels", str(limits.max_pixels)]
        only = ["-protocol_whitelist", "fd", "-format_whitelist", "jpeg_pipe", "-f", "jpeg_pipe"]
        source = ["-fd", str(file), "-i", "fd:"]
        return [executable, *quiet, *bounds, *only, *source, "-f", "null", "-"]

    os.lseek(file, 0, os.SEEK_SET)  # ffmpeg reads on where Pillow left off
    run(Child(command, {STDERR: lines}, file), limits)
    lines.finish()
    if heard.first is None:
        return ()
    return (Defect("decode", f"damaged picture data (mjpeg: {heard.first})"),)


class _Heard:
    """Keeps the first line that tells of damage."""

    def __init__(self) -> None:
        self.first: str | None = None

    def take(self, line: bytes) -> None:
        """Read one line of what ffmpeg says."""
        match = _DAMAGE.fullmatch(line.decode("utf-8", "backslashreplace").strip())
        if match and self.first is None:
            self.first = match["what"]
