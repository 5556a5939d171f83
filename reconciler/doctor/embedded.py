"""The embedded Postgres: whether it runs, where its data lies, and whether it could be started."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from reconciler.doctor.finding import Finding, failed, failed_by, ok, warning
from reconciler.errors import DatabaseError
from reconciler.outputs.mounts import mount_of, read_mounts
from reconciler.outputs.text import shown_path
from reconciler.store import embedded, server_programs

#: Less free space than this is worth a word: a database that is full stops everything.
LITTLE_BYTES = 500 * 10**6

_WHAT = "embedded Postgres"
_OWN = "set database.url to a Postgres of your own, or choose another data_dir"


def check_embedded(data_dir: Path) -> tuple[list[Finding], str | None]:
    """What is to be said of it, and its URL if it runs. Starts nothing."""
    try:
        url = embedded.url_if_running(data_dir)
    except DatabaseError as error:
        return [failed_by(_WHAT, error, _OWN)], None
    where = shown_path(data_dir)
    if url is not None:
        return [ok(_WHAT, f"running, data in {where}"), *_storage(data_dir)], url
    return [*_startable(data_dir, where), *_storage(data_dir)], None


def _startable(data_dir: Path, where: str) -> Iterator[Finding]:
    """Not running: could `reconciler run` start it?"""
    try:
        server_programs.installation(_version(data_dir))
    except (server_programs.ProgramFailed, OSError) as error:
        yield failed(_WHAT, str(error), _OWN)
        return
    nearest = _nearest(data_dir)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield failed(
            _WHAT,
            f"not running, and {shown_path(nearest)} cannot be written by this user",
            "run doctor as the user of the service, or choose another data_dir",
        )
        return
    data = "its data lies in" if (data_dir / "postgres").exists() else "its data will lie in"
    yield ok(_WHAT, f"not running; `reconciler run` starts it, {data} {where}")


def _version(data_dir: Path) -> str | None:
    try:
        text = (data_dir / "postgres" / "data" / "PG_VERSION").read_text(encoding="utf-8")
    except OSError:
        return None
    return text.strip()


def _storage(data_dir: Path) -> Iterator[Finding]:
    nearest = _nearest(data_dir)
    mount = mount_of(os.path.realpath(nearest), read_mounts())
    if mount is not None and mount.is_shared:
        yield warning(
            _WHAT,
            f"its data lies on a file system of type {mount.fs_type}, shared with others: a"
            " database there can be damaged by two hosts at once",
            "choose a data_dir on a local disk",
        )
    free = shutil.disk_usage(nearest).free
    if free < LITTLE_BYTES:
        yield warning(
            _WHAT,
            f"only {free / 10**6:.0f} MB are free where its data lies",
            "free disk space, or choose another data_dir",
        )


def _nearest(data_dir: Path) -> Path:
    """The data directory, or the nearest folder above it that is there."""
    return next((each for each in (data_dir, *data_dir.parents) if os.path.exists(each)), Path("/"))
