"""Films that take a while to decode, to compare the cost of the decode itself."""

from __future__ import annotations

from pathlib import Path

from tests.corpus.ffmpeg import run

#: Name, size, seconds, and how it is encoded.
FILMS: tuple[tuple[str, str, int, tuple[str, ...]], ...] = (
    ("h264 720p 20 s.mp4", "1280x720", 20, ("libx264", "-preset", "veryfast", "-bf", "2")),
    ("h264 1080p 12 s.mp4", "1920x1080", 12, ("libx264", "-preset", "veryfast", "-bf", "2")),
    ("hevc 720p 12 s.mp4", "1280x720", 12, ("libx265", "-preset", "ultrafast")),
    ("vp9 720p 15 s.webm", "1280x720", 15, ("libvpx-vp9", "-deadline", "realtime", "-b:v", "2M")),
)
_QUIET = {"libx265": ("-x265-params", "log-level=none"), "libvpx-vp9": ("-cpu-used", "8")}


def films(folder: Path) -> list[Path]:
    """Write them: moving pictures with some noise, and sound."""
    made = []
    for name, size, seconds, codec in FILMS:
        path = folder / name
        source = f"testsrc2=s={size}:r=24,noise=alls=6:allf=t:all_seed=5"
        heard = ("-f", "lavfi", "-i", f"anoisesrc=c=pink:a=0.3:seed=5:d={seconds}")
        lasting = ("-t", str(seconds), "-pix_fmt", "yuv420p", *_QUIET.get(codec[0], ()))
        run("-f", "lavfi", "-i", source, *heard, "-c:v", *codec, *lasting, path)
        made.append(path)
    return made
