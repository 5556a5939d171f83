"""Where the settings file and the data lie if nobody says so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

FILE_NAME = "reconciler.yaml"
SYSTEM_DATA = Path("/var/lib/reconciler")


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """/var/lib/reconciler for root, or without a home; else as the XDG specification says."""
    data_home = None if os.geteuid() == 0 else _xdg(environ, "XDG_DATA_HOME", ".local/share")
    return data_home / "reconciler" if data_home else SYSTEM_DATA


def candidates(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where a settings file is looked for if none is named, best first."""
    config_home = _xdg(environ, "XDG_CONFIG_HOME", ".config")
    personal = [config_home / "reconciler" / FILE_NAME] if config_home else []
    return (Path.cwd() / FILE_NAME, *personal, Path("/etc/reconciler") / FILE_NAME)


def copies_dir(data_dir: Path, server: str) -> Path:
    """Where the files of a server are copied to whose output directory cannot be seen."""
    name = quote(server, safe="")
    if not name.strip("."):
        name = name.replace(".", "%2E")  # no folder of that name: copies are deleted there
    return (data_dir / "fetched" / name).absolute()


def find(named: Path | None, places: tuple[Path, ...]) -> Path | None:
    """The file to use: the one that was named, which must exist, or the first that exists.

    A dangling link exists: that somebody meant to have settings must not go unnoticed.
    """
    if named is not None:
        return named.expanduser().absolute()
    return next((place for place in places if os.path.lexists(place)), None)


def _xdg(environ: Mapping[str, str], variable: str, below_home: str) -> Path | None:
    given = Path(environ.get(variable, ""))
    if given.is_absolute():  # the specification: a relative one is to be ignored
        return given
    # A container may run under a user id that has neither HOME nor an entry in passwd.
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    return home / below_home if home.is_absolute() else None
