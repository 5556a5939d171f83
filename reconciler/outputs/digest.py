"""Digests of files: has a single byte changed since it was written? Streamed, and stoppable."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

#: Read at once: enough for the disk to be busy, little enough to stop soon.
CHUNK_BYTES = 2**20


class Hash(Protocol):
    """What hashlib, xxhash and blake3 have in common."""

    def update(self, data: bytes, /) -> object:
        """Takes the next piece."""

    def hexdigest(self) -> str:
        """The digest of all pieces."""


def _xxh3_128() -> Hash:
    import xxhash

    return xxhash.xxh3_128()


def _blake3() -> Hash:
    import blake3

    return blake3.blake3()


#: By the names that `comfy_node.contract.DIGESTS` gives them.
_MAKERS: dict[str, Callable[[], Hash]] = {
    "xxh3_128": _xxh3_128,
    "blake3": _blake3,
    "sha256": hashlib.sha256,
}


def new_hash(algorithm: str) -> Hash | None:
    """A hash to feed; None where we do not know the algorithm or its package is missing."""
    make = _MAKERS.get(algorithm)
    try:
        return None if make is None else make()
    except Exception as error:  # a broken build raises what it likes
        log.debug("no such digest here", algorithm=algorithm, reason=str(error))
        return None


def digest_of(descriptor: int, algorithm: Hash, stop: threading.Event) -> str | None:
    """The digest, in hexadecimal, of what can be read from `descriptor`; None if told to stop.

    Raises OSError.
    """
    while chunk := os.read(descriptor, CHUNK_BYTES):
        if stop.is_set():
            return None
        algorithm.update(chunk)
    return algorithm.hexdigest()
