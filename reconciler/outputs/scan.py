"""What counts as an output, and how the file system describes it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from comfy_node.contract import MANIFEST_DIR
from reconciler.errors import OutputError
from reconciler.outputs.mounts import unusable

#: Suffixes of what moves, gif included; lower case.
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".flv", ".wmv"}
    | {".gif", ".apng"}
)
#: What ComfyUI and its usual extensions save as images, video and sound; lower case.
MEDIA_SUFFIXES = VIDEO_SUFFIXES | (
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".jxl", ".exr"}
    | {".wav", ".flac", ".mp3", ".opus", ".ogg", ".oga", ".m4a", ".aac"}
)

_PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file as the file system describes it: if all of it is equal, it is the same content."""

    path: Path
    size_bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Scan:
    """One listing of an output directory."""

    #: In no particular order; paths begin with the root as it was given.
    files: tuple[FileFact, ...]
    #: What could not be looked at, in words. Nothing may be concluded about what lies there.
    problems: tuple[str, ...]
    #: `storage_marker`, the same before and after the listing.
    marker: str


def is_wanted(relative: str) -> bool:
    """True for a media file, by its name, that neither is hidden nor lies in a hidden folder
    (`.reconciler`, trash, thumbnails)."""
    hidden = relative.startswith(".") or "/." in relative
    return not hidden and os.path.splitext(relative)[1].lower() in MEDIA_SUFFIXES


def is_manifest(relative: str) -> bool:
    """True for the node pack's word on how a prompt ended; never for one that is being written."""
    folder, _, name = relative.rpartition("/")
    return folder == MANIFEST_DIR and name.endswith(".json") and not name.startswith(".")


def visible(folder: str) -> Iterator[os.DirEntry[str]]:
    """The subfolders and media files in `folder`. Links are left out: followed, they could lead
    out of the output directory or in a circle. Raises OSError."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    yield entry
            elif is_wanted(entry.name) and entry.is_file(follow_symlinks=False):
                yield entry


def look_at(path: Path) -> FileFact | None:
    """One file as it is now: a cheap look (one system call) at whether it grows.

    None where it does not exist or is no ordinary file. Raises `OutputError` where that cannot
    be told (no permission, input/output error, stale handle): that is no proof of absence.
    """
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(unusable(path, error)) from error
    return fact_of(path, status) if stat.S_ISREG(status.st_mode) else None


def replaced(root: Path) -> str:
    """Words for a root whose storage is not the one it was a moment ago."""
    return (
        f"{os.fspath(root)!r} is another directory than before (mounted, unmounted, moved or"
        " created anew); see whether its storage is mounted"
    )


def fact_of(path: Path, status: os.stat_result) -> FileFact:
    """What the file system says of it."""
    return FileFact(path, status.st_size, status.st_mtime_ns, status.st_ino)


def bounded(problems: list[str]) -> tuple[str, ...]:
    """The first of them, and how many more there are."""
    more = len(problems) - _PROBLEMS_SHOWN
    if more <= 0:
        return tuple(problems)
    return (*problems[:_PROBLEMS_SHOWN], f"and {more} more that cannot be read")
