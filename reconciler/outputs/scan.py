"""What lies in an output directory: the listing that is the truth when events are only hints."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from comfy_node.contract import MANIFEST_DIR
from reconciler.errors import OutputError
from reconciler.outputs.mounts import identify, unusable

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


def scan(root: Path, *, newer_than: float = 0.0) -> Scan:
    """List the media files below `root` that were changed at or after `newer_than` (seconds since
    the epoch, by the clock of the file system: leave a margin on network storage).

    What vanishes meanwhile is left out; folders and files that cannot be read become problems.
    Raises `OutputError` where the root itself cannot be listed or is replaced meanwhile.
    """
    marker = identify(root)
    files: list[FileFact] = []
    problems: list[str] = []
    folders = [os.fspath(root)]
    while folders:
        folder = folders.pop()
        try:
            for entry in visible(folder):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    files.extend(_facts_of(entry, newer_than, problems))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if folder == os.fspath(root):
                raise OutputError(unusable(root, error)) from error
            problems.append(unusable(folder, error))
    if identify(root) != marker:
        raise OutputError(replaced(root))
    return Scan(tuple(files), _bounded(problems), marker)


def _facts_of(
    entry: os.DirEntry[str], newer_than: float, problems: list[str]
) -> Iterator[FileFact]:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        problems.append(unusable(entry.path, error))
        return
    if status.st_mtime >= newer_than:
        yield _fact(Path(entry.path), status)


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
    return _fact(path, status) if stat.S_ISREG(status.st_mode) else None


def replaced(root: Path) -> str:
    """Words for a root whose storage is not the one it was a moment ago."""
    return (
        f"{os.fspath(root)!r} is another directory than before (mounted, unmounted, moved or"
        " created anew); see whether its storage is mounted"
    )


def _fact(path: Path, status: os.stat_result) -> FileFact:
    return FileFact(path, status.st_size, status.st_mtime_ns, status.st_ino)


def _bounded(problems: list[str]) -> tuple[str, ...]:
    more = len(problems) - _PROBLEMS_SHOWN
    if more <= 0:
        return tuple(problems)
    return (*problems[:_PROBLEMS_SHOWN], f"and {more} more that cannot be read")
