"""Puts the node pack into custom_nodes and takes it out again, never half.

What is not finished, or on its way out, has a name that ComfyUI does not load.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.cli.installed_pack import DISABLED, RECEIPT, digests_of
from reconciler.errors import ReconcilerError


def place_link(place: Path, pack: Path) -> bool:
    """Makes `place` a link to the pack, in place of another link if there is one.

    False where the file system, or the system's rules, allow no links. Raises ReconcilerError.
    """
    waiting = _aside(place, "new")
    try:
        waiting.symlink_to(pack, target_is_directory=True)
    except PermissionError:
        # Windows without the right to make links says so, too: then a copy may still work.
        return _refuse_unless_writable(place.parent)
    except (OSError, NotImplementedError):
        return False
    with _told():
        try:
            waiting.replace(place)
        finally:
            _delete(waiting)
    return True


def place_copy(place: Path, pack: Path) -> None:
    """Makes `place` a copy of the pack, in place of an older copy or of a link.

    The old one stands until the new one is whole; then two renames change them. Raises
    ReconcilerError, and what was there stays there.
    """
    new, old = _aside(place, "new"), _aside(place, "old")
    with _told():
        try:
            shutil.copytree(pack, new, ignore=_unwanted)
            (new / RECEIPT).write_text(json.dumps(digests_of(new), indent=1), encoding="utf-8")
            if os.path.lexists(place):
                place.rename(old)
            _rename_or_restore(new, place, old)
        finally:
            _delete(new)
            if os.path.lexists(place):  # else the old one is all there is
                _delete(old)


def remove(place: Path) -> None:
    """Takes away a link, or a folder with all that is in it. Raises ReconcilerError."""
    with _told():
        if place.is_symlink():
            place.unlink()
            return
        old = _aside(place, "old")
        place.rename(old)
        shutil.rmtree(old)


def _unwanted(folder: str, names: list[str]) -> list[str]:
    """What is not copied: what Python compiled, and links that lead nowhere."""
    return [
        name
        for name in names
        if name in ("__pycache__", RECEIPT) or not Path(folder, name).exists()
    ]


def _rename_or_restore(new: Path, place: Path, old: Path) -> None:
    try:
        new.rename(place)
    except OSError:
        if os.path.lexists(old):
            old.rename(place)
        raise


def _aside(place: Path, what: str) -> Path:
    """A name beside `place`, free, that ComfyUI does not load."""
    path = place.with_name(f".{place.name}-{what}-{os.getpid()}{DISABLED}")
    with _told():
        _delete(path)
    return path


def _delete(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _refuse_unless_writable(folder: Path) -> bool:
    if os.access(folder, os.W_OK):
        return False
    raise ReconcilerError(
        f"{folder} may not be written: run this as the user whom ComfyUI belongs to"
    )


@contextmanager
def _told() -> Iterator[None]:
    """Says which file could not be written, and why."""
    try:
        yield
    except PermissionError as error:
        raise ReconcilerError(
            f"{error.filename} may not be written: run this as the user whom ComfyUI belongs to"
        ) from error
    except OSError as error:
        words = error.strerror or str(error)
        raise ReconcilerError(f"{error.filename}: {words}" if error.filename else words) from error
