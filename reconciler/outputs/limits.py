"""What the inspection of one file may cost at most. A file is untrusted input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one inspection; beyond them it is ended, and nothing is said about the file."""

    #: Seconds by the clock.
    wall_s: float = 600.0
    #: Seconds of processor time, all threads together.
    cpu_s: int = 900
    #: Address space of the child process; 4K video takes 0.7 GiB of it, too little is no verdict.
    memory_bytes: int = 4 * 1024**3
    #: Bytes of a decoder's complaints that are read; what follows is dropped, and said so.
    max_stderr_bytes: int = 256 * 1024
    #: Bytes of metadata that are searched for tags. The graph in `prompt` may weigh megabytes.
    max_metadata_bytes: int = 32 * 1024**2
    #: Width times height of a picture; larger ones are refused before they are decoded.
    max_pixels: int = 300_000_000
    #: Threads of the decoder. Few: ComfyUI may be computing on the same machine.
    threads: int = 2
    #: Steps by which the inspection yields to everything else on the machine, 0 to 19.
    nice: int = 10
    #: Longest side of the thumbnail, in pixels.
    thumbnail_px: int = 320
