"""Runs ffmpeg for the corpus."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import imageio_ffmpeg


@cache
def executable() -> str:
    """The same ffmpeg that decodes."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@cache
def encoders() -> frozenset[str]:
    """The names of the encoders that this ffmpeg has."""
    listed = run("-encoders", quiet=False).stdout.decode()
    return frozenset(line.split()[1] for line in listed.splitlines() if len(line.split()) > 1)


def run(*arguments: str | Path, quiet: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg to its end. Raises CalledProcessError where it fails."""
    common = ("-hide_banner", "-nostdin", "-y", *(("-v", "error") if quiet else ()))
    return subprocess.run(
        [executable(), *common, *map(str, arguments)],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
