"""Which decoder tells most, where ffmpeg has more than one for a codec.

libvpx refuses a vp9 frame whose coded data does not end where the frame does; ffmpeg's own decoder
shows whatever came out of it. On damaged files libvpx found 72 of 75, ffmpeg's own 31, and neither
anything on 26 odd but sound ones; the time is the same. Of vp8 it finds a few more as well.
"""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache

STRICTER = {"8": "libvpx", "9": "libvpx-vp9"}
#: RFC 9559, 5.1.4.1.21 (CodecID), and ISO/IEC 14496-12, 8.5.2, with its first entry.
_CODEC_ID = re.compile(rb"\x86\x85V_VP([89])")
_SAMPLE_ENTRY = re.compile(rb"stsd\0{7}\x01.{4}vp0([89])", re.DOTALL)
_NAMES = {"matroska": _CODEC_ID, "mov": _SAMPLE_ENTRY}
#: The description of the tracks stands near the start, or in an mp4 at the end.
HEAD_BYTES, TAIL_BYTES = 64 * 1024, 2 * 1024**2


def stricter(executable: str, file: int, demuxer: str) -> str | None:
    """Return the decoder to ask for the picture of an open file; None for ffmpeg's own choice."""
    name = _NAMES.get(demuxer)
    if name is None:
        return None
    found = name.search(os.pread(file, HEAD_BYTES, 0))
    if found is None and demuxer == "mov":
        start = max(0, os.fstat(file).st_size - TAIL_BYTES)
        found = name.search(os.pread(file, TAIL_BYTES, start))
    if found is None:
        return None
    decoder = STRICTER[found[1].decode()]
    return decoder if decoder in built_in(executable) else None


@cache
def built_in(executable: str) -> frozenset[str]:
    """Return the names of the decoders that this ffmpeg has, which it is asked once."""
    command = [executable, "-hide_banner", "-decoders"]
    told = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return frozenset(re.findall(r"^ [A-Z.]{6} (\S+)", told.stdout.decode(), re.MULTILINE))
