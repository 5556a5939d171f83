"""Durability and digests of what a prompt wrote, after its end, in a thread of their own."""

from __future__ import annotations

import hashlib
import importlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .contract import DIGESTS
from .manifest import encode, path_of
from .manifest_files import ManifestFolder, Written, is_regular, sync

#: Bytes between two pauses: a few milliseconds' work.
CHUNK_BYTES = 2**20
#: Files whose digest is remembered: a cached prompt lists an earlier one's again.
_REMEMBERED = 512


class Digester:
    """Adds digests to manifests."""

    def __init__(
        self, folder: ManifestFolder, stop: threading.Event, is_last: Callable[[], bool]
    ) -> None:
        """`is_last`: whether nothing waits behind, so that many prompts cost one fsync of the
        folder."""
        self._folder = folder
        self._stop = stop
        self._is_last = is_last
        self._known: OrderedDict[tuple[str, int, int], str] = OrderedDict()

    def finish(self, manifest: dict[str, Any], written: Written) -> None:
        """fsync of the outputs and the manifest, then the manifest once more with digests.

        An output that is not what the manifest says any more gets none. Raises OSError.
        """
        root = self._folder.real_root
        outputs = manifest["outputs"] or []
        for output in outputs:
            path = path_of(output, root) if output["size_bytes"] is not None else None
            if path is not None and not self._stop.is_set():
                sync(path)
                output["digest"] = self._digest(path, output["size_bytes"], output["mtime_ns"])
        if self._stop.is_set():
            return
        if any(output["digest"] for output in outputs):
            self._folder.rewrite(written, encode(manifest))
        else:
            sync(written.path)
        if self._is_last():
            sync(os.path.dirname(written.path))

    def _digest(self, path: str, size_bytes: int, mtime_ns: int) -> str | None:
        key = (path, size_bytes, mtime_ns)
        if key not in self._known:
            digest = digest_of(path, size_bytes, mtime_ns, self._stop)
            if digest is None:
                return None
            self._known[key] = digest
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return self._known[key]


def digest_of(path: str, size_bytes: int, mtime_ns: int, stop: threading.Event) -> str | None:
    """`<algorithm>:<hex>` of a file of this size and time; None where it is not so, before or
    after, or cannot be read, or is to stop."""
    algorithm, state = new_digest()
    buffer = memoryview(bytearray(CHUNK_BYTES))
    try:
        with open(path, "rb", buffering=0) as file:
            if not _is(os.fstat(file.fileno()), size_bytes, mtime_ns):
                return None
            left = size_bytes
            while left >= 0 and (count := file.readinto(buffer)):
                state.update(buffer[:count])
                left -= count
                time.sleep(0)  # lets go of Python's lock, for who waits for it
                if stop.is_set():
                    return None
            if not _is(os.fstat(file.fileno()), size_bytes, mtime_ns):
                return None
    except OSError:
        return None
    return f"{algorithm}:{state.hexdigest()}"


def new_digest() -> tuple[str, Any]:
    """Name and fresh state of the fastest of `DIGESTS` that this Python has."""
    for algorithm, module, factory in (
        (DIGESTS[0], "xxhash", "xxh3_128"),
        (DIGESTS[1], "blake3", "blake3"),
    ):
        # A broken build raises what it likes.
        with suppress(Exception):
            return algorithm, getattr(importlib.import_module(module), factory)()
    return DIGESTS[2], hashlib.sha256()


def _is(found: os.stat_result, size_bytes: int, mtime_ns: int) -> bool:
    same = found.st_size == size_bytes and found.st_mtime_ns == mtime_ns
    return same and is_regular(found)
