"""The text of a systemd unit for the service: how it is started, watched, stopped and confined.

What each setting means is in systemd.service(5) and systemd.exec(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import SettingsError

#: Where systemd itself makes, and gives to the account, the folder that a service writes to.
STATE_FOLDER = Path("/var/lib")
_HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))
_TEMPORARY = tuple(map(Path, ("/tmp", "/var/tmp")))  # noqa: S108 - compared with, not written to

_HEAD = """\
# Written by `reconciler install-service`. Your own changes: systemctl edit {name}

[Unit]
Description=reconciler: makes the rows of ComfyUI jobs tell the truth
{after}# However often it fails: a database that is away for a day must not end it for good.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
# Settings that are secrets, as RECONCILER_DATABASE__URL=...; systemd reads it as root.
EnvironmentFile=-{environment}
Restart=on-failure
RestartSec=10
# An embedded Postgres may repeat its log first.
TimeoutStartSec=3min
# It says that it lives between two passes, usually every second. A pass over servers that time
# out, with a database that waits for a lock, takes minutes.
WatchdogSec=5min
TimeoutStopSec=30
{kill}LimitCORE=0
UMask=0077
"""

_AFTER = """\
Wants=network-online.target
After=network-online.target remote-fs.target postgresql.service
"""

_KILL_EMBEDDED = """\
# The embedded Postgres outlives us while applications use it; unused, we stop it ourselves.
KillMode=process
"""
_KILL = "KillMode=mixed\n"

#: What needs no privilege of systemd's, so that user services have it too.
_CONFINED = """\

# Files of strangers are decoded here (in a child that is limited once more): whatever they make
# of ffmpeg can neither gain rights nor change a file outside of the data directory.
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
# prlimit, which confines ffmpeg, is in @system-service; so is all that Postgres needs.
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
"""

_CONFINED_SYSTEM = """\
CapabilityBoundingSet=
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
"""

_USER_NOTE = """\
# No ProtectSystem= and the like: in a user's own systemd they need user namespaces, which many
# systems refuse, and the service would not start. As a system service it is confined further.
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """A service to be written down. Every path is absolute."""

    name: str
    #: The interpreter, of the virtual environment that holds this package.
    python: Path
    config: Path
    data_dir: Path
    output_dirs: tuple[Path, ...]
    #: Postgres is the embedded one.
    embedded: bool
    #: Whom the service runs as; None: a user's own service.
    account: str | None
    #: Groups that it needs to read the output directories.
    groups: tuple[str, ...] = ()
    #: What it reads besides: the package, the interpreter's home, certificates.
    also_read: tuple[Path, ...] = ()

    @property
    def file_name(self) -> str:
        """The name of the unit file."""
        return f"{self.name}.service"

    @property
    def state_directory(self) -> str | None:
        """The name of the data directory, where systemd makes it itself."""
        is_state = self.account is not None and self.data_dir.parent == STATE_FOLDER
        return self.data_dir.name if is_state else None

    def text(self) -> str:
        """The whole unit file. Raises SettingsError for a path that no unit can name."""
        # -P: `python -m` would else prefer a folder named reconciler in the working directory.
        words = [str(self.python), "-P", "-m", "reconciler", "run"]
        words += ["--config", str(self.config), "--data-dir", str(self.data_dir)]
        head = _HEAD.format(
            name=self.name,
            after="" if self.account is None else _AFTER,
            command=" ".join(quoted(word, is_command=True) for word in words),
            environment=_bare(self.config.with_suffix(".env")),
            kill=_KILL_EMBEDDED if self.embedded else _KILL,
        )
        own = _USER_NOTE if self.account is None else "".join(self._system_lines())
        target = "default.target" if self.account is None else "multi-user.target"
        return f"{head}{_CONFINED}{own}\n[Install]\nWantedBy={target}\n"

    def _system_lines(self) -> Iterator[str]:
        yield _CONFINED_SYSTEM
        paths = (self.python, self.config, self.data_dir, *self.output_dirs, *self.also_read)
        if _any_below(paths, _HOMES):
            yield "# Something that the service needs lies in a home.\nProtectHome=read-only\n"
        else:
            yield "ProtectHome=yes\n"
        if _any_below(paths, _TEMPORARY):
            yield "# No PrivateTmp=: something that the service needs lies there.\n"
        else:
            yield "PrivateTmp=yes\n"
        if self.output_dirs:
            yield "# Outputs are only read. Storage that is missing is waited for.\n"
            yield f"ReadOnlyPaths={' '.join(quoted(path, '-') for path in self.output_dirs)}\n"
        if self.state_directory:
            yield f"StateDirectory={quoted(self.state_directory)}\nStateDirectoryMode=0700\n"
        else:
            yield f"ReadWritePaths={quoted(self.data_dir)}\n"
        yield (
            "# Not root: as root the embedded Postgres needs an account of its own, and the right\n"
            "# to change owners. Not DynamicUser=: its data needs an owner who is there tomorrow.\n"
            f"User={self.account}\n"
        )
        if self.groups:
            yield f"SupplementaryGroups={' '.join(self.groups)}\n"


def quoted(word: object, prefix: str = "", *, is_command: bool = False) -> str:
    """One word of a list in a unit, as systemd.syntax(7) has it; plain where nothing is special."""
    text = _printed(str(word)).replace("%", "%%")
    if is_command:
        text = text.replace("$", "$$")
    if not any(c in text for c in " \t\"'\\;"):
        return f"{prefix}{text}"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{prefix}{escaped}"'


def _bare(path: Path) -> str:
    """A path that takes the whole line: there quotes would be part of it."""
    return _printed(str(path)).replace("%", "%%")


def _printed(text: str) -> str:
    if not text.isprintable():
        raise SettingsError(
            f"{text!a} cannot stand in a systemd unit: rename it to a path of printable text"
        )
    return text


def _any_below(paths: Iterable[Path], folders: tuple[Path, ...]) -> bool:
    """Whether one of them, by its name or where its links lead, lies below one of the folders."""
    seen = [Path(step) for path in paths for step in (path, os.path.realpath(path))]
    return any(path.is_relative_to(folder) for path in seen for folder in folders)
