"""Keys of files: their paths, and where several hosts have directories of one name, which is meant.

Every GPU host may have its own /srv/comfy/output, with a ComfyUI_00001_.png in it. The first such
directory has plain paths for keys; keys of another begin with the name of its space, as
`gpu2:/srv/comfy/output/ComfyUI_00001_.png`. Paths are absolute, so the two cannot be confused.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from reconciler.store.clean import path_bytes, path_from_bytes


class Spaces:
    """Which of this host's directories have a space of their own. Without one: plain paths."""

    def __init__(self) -> None:
        self._by_root: dict[Path, str] = {}

    def put(self, root: Path, space: str) -> None:
        """Files below `root` are those of this space; empty: their paths are plain."""
        if space:
            self._by_root = {**self._by_root, root: space}

    def key(self, path: Path) -> bytes:
        """What a file on this host is called in the database."""
        for root, space in self._by_root.items():
            if path.is_relative_to(root):
                return quote(space, safe="").encode() + b":" + path_bytes(path)
        return path_bytes(path)

    def is_here(self, key: bytes) -> bool:
        """True for a file on this host, as far as its name tells."""
        return self.key(path_of(key)) == key


def path_of(key: bytes) -> Path:
    """The path of a file on its host."""
    return path_from_bytes(key if key.startswith(b"/") else key.partition(b":")[2])
