"""The packets of a file's picture, one by one: what the checks of codecs are given."""

from __future__ import annotations

import subprocess
from pathlib import Path

from reconciler.outputs.decode import ffmpeg


def packets(path: Path) -> list[bytes]:
    """Return the bytes of each packet, cut by the sizes that framecrc lists."""
    copy = [ffmpeg(), "-v", "error", "-i", str(path), "-map", "0:V:0", "-c", "copy", "-copyinkf"]
    listed = subprocess.run([*copy, "-f", "framecrc", "-"], check=True, capture_output=True)
    sizes = [int(line.split(b",")[4]) for line in listed.stdout.splitlines() if line[:1] != b"#"]
    data = subprocess.run([*copy, "-f", "data", "-"], check=True, capture_output=True).stdout
    assert sum(sizes) == len(data)
    found, at = [], 0
    for size in sizes:
        found.append(data[at : at + size])
        at += size
    return found
