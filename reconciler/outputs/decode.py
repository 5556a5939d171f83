"""One decode of a video or a sound by ffmpeg, which gives all that is to be known of it.

The child gets the open file and no other: the only protocol it may use is `fd`, so that nothing
inside a file (a playlist, a reference to another file) can make it open anything. What counts is
read from pipes that metadata cannot write to: `-progress` for the frames, framecrc for packets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import imageio_ffmpeg

from reconciler.errors import InspectionError
from reconciler.outputs.child import STDERR, Child, run
from reconciler.outputs.complaints import Complaints
from reconciler.outputs.inspection import Defect
from reconciler.outputs.limits import Limits
from reconciler.outputs.packets import PacketList
from reconciler.outputs.progress import OnProgress, Progress
from reconciler.outputs.sinks import Head, Lines, Sink
from reconciler.outputs.tags import from_ffmetadata
from reconciler.outputs.wanted import Wanted

MAX_THUMBNAIL_BYTES = 1024**2


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


def decode(
    file: int, demuxer: str, limits: Limits, wanted: Wanted, on_progress: OnProgress | None = None
) -> Decoded:
    """Decode the open file `file` from end to end with that demuxer and no other.

    Raises InspectionError where ffmpeg cannot be run, or goes beyond a limit.
    """
    progress, packets, complaints = _Progress(on_progress), PacketList(), Complaints()
    metadata, picture = Head(limits.max_metadata_bytes), Head(MAX_THUMBNAIL_BYTES)
    errors = Lines(complaints.take, limit=limits.max_stderr_bytes)
    sinks: dict[str, Sink] = {
        STDERR: errors,
        "progress": Lines(progress.take),
        "packets": Lines(packets.take),
        "metadata": metadata,
    }
    if wanted.thumbnail:
        sinks["thumbnail"] = picture
    executable = ffmpeg()
    child = Child(lambda fds: _command(executable, file, demuxer, fds, limits), sinks, file)
    status = run(child, limits)
    errors.finish()
    if errors.overflowed:
        complaints.take(b"more complaints than can be read")
    if complaints.starved:
        most = limits.memory_bytes // 1024**2
        raise InspectionError(f"decoding needs more than the {most} MiB of memory it may use")
    return Decoded(
        progress.frames,
        packets,
        progress.time_s,
        from_ffmetadata(metadata.data),
        picture.data if picture.data and not picture.overflowed else None,
        complaints.defects(status),
    )


@cache
def ffmpeg() -> str:
    """Return the path of the ffmpeg that is used. Raises InspectionError where there is none."""
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise InspectionError(
            "no ffmpeg: install imageio-ffmpeg with its binary, or set IMAGEIO_FFMPEG_EXE"
        ) from error


def _command(
    executable: str, file: int, demuxer: str, fds: Mapping[str, int], limits: Limits
) -> list[str]:
    streams = ["-map", "0:V:0?", "-map", "0:a?"]
    tags_of = "0:s:0" if demuxer == "ogg" else "0"  # Ogg keeps its tags with the stream
    return [
        *(executable, "-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+level+warning"),
        *("-progress", f"pipe:{fds['progress']}", "-stats_period", "0.5"),
        *("-filter_threads", "1", "-threads", str(limits.threads)),
        *("-max_pixels", str(limits.max_pixels)),
        *("-err_detect", "crccheck", "-protocol_whitelist", "fd", "-format_whitelist", demuxer),
        *("-f", demuxer, "-fd", str(file), "-i", "fd:"),
        *(*streams, "-fps_mode", "passthrough", "-f", "null", "-"),
        *(*streams, "-c", "copy", "-copyinkf", "-f", "framecrc", f"pipe:{fds['packets']}"),
        *("-map_metadata", tags_of, "-f", "ffmetadata", f"pipe:{fds['metadata']}"),
        *(_thumbnail(fds["thumbnail"], limits.thumbnail_px) if "thumbnail" in fds else ()),
    ]


def _thumbnail(fd: int, longest_px: int) -> list[str]:
    ratio = f"min(1,{longest_px}/max(iw,ih))"
    fit = f"scale=w='max(2,trunc(iw*{ratio}))':h='max(2,trunc(ih*{ratio}))':out_range=pc"
    jpeg = [
        "-threads",
        "1",
        "-c:v",
        "mjpeg",
        "-q:v",
        "5",
        "-strict",
        "unofficial",
        "-f",
        "image2pipe",
    ]
    return [
        "-map",
        "0:V:0",
        "-frames:v",
        "1",
        "-vf",
        f"{fit},setsar=1,format=yuv420p",
        *jpeg,
        f"pipe:{fd}",
    ]


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
