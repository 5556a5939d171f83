"""One decode of a video or a sound by ffmpeg, which gives all that is to be known of it.

The child gets the open file and no other: the only protocol it may use is `fd`, so that nothing
inside a file (a playlist, a reference to another file) can make it open anything. What counts is
read from pipes that metadata cannot write to: `-progress` for the frames, framecrc for packets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

import imageio_ffmpeg

from reconciler.errors import InspectionError
from reconciler.outputs.child import STDERR, Child, run
from reconciler.outputs.codecs.decoders import stricter
from reconciler.outputs.command import Order, command
from reconciler.outputs.complaints import Complaints
from reconciler.outputs.content import Content
from reconciler.outputs.inspection import Defect
from reconciler.outputs.limits import Limits
from reconciler.outputs.packets import PacketList
from reconciler.outputs.payload import Payload
from reconciler.outputs.progress import OnProgress, Progress
from reconciler.outputs.sinks import Head, Lines, Sink
from reconciler.outputs.tags import from_ffmetadata
from reconciler.outputs.wanted import Wanted

MAX_THUMBNAIL_BYTES = 1024**2
SEARCH_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one decode gave."""

    frames: int | None
    packets: PacketList
    #: Seconds of the longest stream that was decoded.
    longest_s: float | None
    tags: Mapping[str, str]
    thumbnail: bytes | None
    defects: tuple[Defect, ...]
    #: What the content shows, where it was asked for.
    warnings: tuple[Defect, ...] = ()


def decode(
    file: int,
    demuxer: str,
    limits: Limits,
    wanted: Wanted,
    on_progress: OnProgress | None = None,
    *,
    video: bool = True,
    setup: bytes = b"",
) -> Decoded:
    """Decode the open file `file` from end to end with that demuxer and no other.

    `video` says whether it holds a picture, and `setup` is what the container tells of its coding
    beforehand. Raises InspectionError where ffmpeg cannot be run, or
    goes beyond a limit.
    """
    progress, packets, complaints = (
        _Progress(on_progress),
        PacketList(payload=Payload(setup)),
        Complaints(),
    )
    metadata, picture = Head(limits.max_metadata_bytes), Head(MAX_THUMBNAIL_BYTES)
    errors, content = Lines(complaints.take, limit=limits.max_stderr_bytes), Content()
    sinks: dict[str, Sink] = {
        STDERR: errors,
        "progress": Lines(progress.take),
        "packets": Lines(packets.take),
        "metadata": metadata,
        **({"payload": packets.payload} if video else {}),
        **({"thumbnail": picture} if video and wanted.thumbnail else {}),
        **({"content": Lines(content.take)} if wanted.content else {}),
    }
    executable = ffmpeg()
    decoder = stricter(executable, file, demuxer) if video else None
    order = Order(executable, file, demuxer, video, decoder, limits, wanted)
    status = run(Child(partial(command, order), sinks, file), limits)
    errors.finish()
    if errors.overflowed:
        complaints.take(b"more complaints than can be read")
    if complaints.starved:
        most = limits.memory_bytes // 1024**2
        raise InspectionError(f"decoding needs more than the {most} MiB of memory it may use")
    fault = packets.payload.fault
    return Decoded(
        progress.frames,
        packets,
        progress.time_s,
        from_ffmetadata(metadata.data),
        picture.data if picture.data and not picture.overflowed else None,
        (
            *complaints.defects(status),
            *packets.payload.defects(_place(file, fault.head if fault else None)),
        ),
        content.warnings(packets.duration_s, packets.sounds, wanted),
    )


@cache
def ffmpeg() -> str:
    """Return the path of the ffmpeg that is used. Raises InspectionError where there is none."""
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        # The library keeps in mind that there is none, also where only a descriptor was lacking.
        imageio_ffmpeg._utils._get_ffmpeg_exe.cache_clear()
        raise InspectionError(
            "no ffmpeg: install imageio-ffmpeg with its binary, or set IMAGEIO_FFMPEG_EXE"
        ) from error


def _place(file: int, head: bytes | None) -> int | None:
    """Find the byte at which a packet begins; None where its first bytes stand twice, or nowhere.

    Containers that cut packets up (ts) keep their first bytes together often enough.
    """
    if not head:
        return None
    found, at, size = None, 0, os.fstat(file).st_size
    while at < size:
        piece = os.pread(file, SEARCH_BYTES + len(head) - 1, at)
        here = piece.find(head)
        while here >= 0:
            if found is not None:
                return None
            found = at + here
            here = piece.find(head, here + 1)
        at += SEARCH_BYTES
    return found


class _Progress:
    """Reads what `-progress` reports; its last report is the whole decode's."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self.frames: int | None = None
        self.time_s: float | None = None

    def take(self, line: bytes) -> None:
        name, _, value = line.strip().partition(b"=")
        if name == b"frame" and value.isdigit():
            self.frames = int(value)
        elif name == b"out_time_us" and value.isdigit():
            self.time_s = int(value) / 1e6
        elif name == b"progress" and self._on_progress is not None:
            self._on_progress(Progress(self.time_s, self.frames))
