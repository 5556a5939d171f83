"""`reconciler install-service`: the service as a unit of systemd."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import reconciler
from reconciler.cli import options, terminal
from reconciler.cli.service_unit import Unit
from reconciler.errors import ReconcilerError, SettingsError

if TYPE_CHECKING:
    from reconciler.settings import Settings

#: Where units of the administrator's lie.
SYSTEM_FOLDER = Path("/etc/systemd/system")
#: The account of a system service, if no other is named.
ACCOUNT = "reconciler"
#: The variables of this shell that settings are loaded with: the service has no others.
_PASSED_ON = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "RECONCILER_CONFIG")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.-]{0,199}")
_SYSTEMCTL_S = 90.0


def install_service(
    *,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the unit, and change nothing.")
    ] = False,
    user: Annotated[
        bool, typer.Option("--user", help="For your own systemd, not the system's.")
    ] = False,
    account: Annotated[
        str,
        typer.Option("--as", metavar="ACCOUNT", help="Whom a system service runs as; not root."),
    ] = ACCOUNT,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the unit.")] = "reconciler",
    enable: Annotated[
        bool, typer.Option("--enable", help="Start it, now and at each boot.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a unit that is there.")] = False,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Write a systemd unit that runs the service with these settings.

    It runs the reconciler of this very interpreter, watched by systemd and confined: nothing but
    the data directory can be written.
    """
    from reconciler.cli import logs

    logs.set_up(log_level or "warning", "console")
    if print_only and enable:
        raise typer.BadParameter("--print changes nothing, so it cannot --enable")
    name = name.removesuffix(".service")
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("--name should be made of letters, digits and :_.-")
    unit = plan(_load(config, data_dir), name, None if user else account)
    if print_only:
        terminal.raw(unit.text().rstrip("\n"))
        return
    if not user:
        _insist_on_account(unit)
    path = _write(unit, _user_folder() if user else SYSTEM_FOLDER, force=force)
    terminal.raw(str(path))
    if enable:
        _enable(unit)
    _say_what_is_next(unit, enabled=enable)


def plan(settings: Settings, name: str, account: str | None) -> Unit:
    """The unit for these settings. Raises SettingsError where the service could not run."""
    from reconciler.settings.places import SYSTEM_DATA, default_data_dir

    file = settings.source.file
    if file is None:
        raise SettingsError(
            "a service needs a settings file, and there is none: write `servers:` with url and"
            " output_dir to /etc/reconciler/reconciler.yaml, and name it with --config"
        )
    if not settings.servers:
        raise SettingsError(f"{file}: lists no servers, and the service would watch nothing")
    data_dir = settings.data_dir
    if account is not None and data_dir == default_data_dir(os.environ):
        data_dir = SYSTEM_DATA  # not the home of whoever happens to type this
    output_dirs = tuple(s.output_dir for s in settings.servers if s.output_dir is not None)
    certificates = [s.tls_ca for s in settings.servers if s.tls_ca is not None]
    return Unit(
        name=name,
        python=Path(sys.executable),
        config=file,
        data_dir=data_dir,
        output_dirs=output_dirs,
        embedded=settings.database.dsn is None,
        account=account,
        groups=() if account is None else groups_of(output_dirs),
        also_read=(Path(reconciler.__file__).parent, Path(sys.base_prefix), *certificates),
    )


def groups_of(folders: Iterable[Path]) -> tuple[str, ...]:
    """The groups without which those of the folders that are not open to all cannot be read."""
    found = []
    for folder in folders:
        try:
            state = folder.stat()
            is_open = state.st_mode & stat.S_IROTH and state.st_mode & stat.S_IXOTH
            if not is_open and state.st_gid != 0 and state.st_mode & stat.S_IRGRP:
                found.append(grp.getgrgid(state.st_gid).gr_name)
        except (OSError, KeyError):
            continue  # not there today, or nobody's group: doctor tells more
    return tuple(dict.fromkeys(found))


def _load(config: Path | None, data_dir: Path | None) -> Settings:
    """The settings as the service will find them: without the variables of this shell."""
    from reconciler.settings import load

    environ = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    ours = [key for key in os.environ if key.startswith("RECONCILER_") and key not in environ]
    if ours:
        terminal.remark(
            f"The service does not see {', '.join(sorted(ours))}: write it into its .env file."
        )
    flags = {} if data_dir is None else {"data_dir": data_dir}
    return load(config=config, flags=flags, environ=environ)


def _insist_on_account(unit: Unit) -> None:
    """Raises ReconcilerError unless the account can run the service."""
    assert unit.account is not None
    try:
        entry = pwd.getpwnam(unit.account)
    except KeyError:
        raise ReconcilerError(
            f"there is no account {unit.account!r} for the service to run as: create it"
            f" (useradd --system --user-group --home-dir {unit.data_dir} --shell"
            f" /usr/sbin/nologin {ACCOUNT}), or name another with --as"
        ) from None
    if entry.pw_uid == 0:
        raise ReconcilerError(
            "the service decodes files of strangers, so it does not run as root: name another"
            " account with --as"
        )


def _user_folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "systemd" / "user"


def _write(unit: Unit, folder: Path, *, force: bool) -> Path:
    """Writes the unit, and makes the data directory where systemd does not."""
    path, text = folder / unit.file_name, unit.text()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if unit.state_directory is None:
            _make_data_dir(unit)
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ReconcilerError(
            f"{path} is there already: look at it, and overwrite it with --force; or give this"
            " one another --name"
        ) from None
    except PermissionError as error:
        raise ReconcilerError(
            f"{error.filename} may not be written: run this as root (sudo), or install a service"
            " of your own with --user"
        ) from None
    except OSError as error:
        raise ReconcilerError(f"{error.filename or path}: {error.strerror or error}") from error
    return path


def _make_data_dir(unit: Unit) -> None:
    is_new = not unit.data_dir.exists()
    unit.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if unit.account is not None and is_new:
        entry = pwd.getpwnam(unit.account)
        os.chown(unit.data_dir, entry.pw_uid, entry.pw_gid)


def _enable(unit: Unit) -> None:
    whose = ["--user"] if unit.account is None else []
    for words in (["daemon-reload"], ["enable", "--now", unit.file_name]):
        command = ["systemctl", *whose, *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SYSTEMCTL_S, check=False
            )
            complaint = done.stderr.strip() if done.returncode else ""
            complaint = complaint or (f"exit status {done.returncode}" if done.returncode else "")
        except (OSError, subprocess.TimeoutExpired) as error:
            complaint = str(error)
        if complaint:
            raise ReconcilerError(
                f"the unit is written, and `{' '.join(command)}` failed: {complaint}. See"
                f" `journalctl {' '.join([*whose, '-u', unit.name])}`, then run the command again"
            )


def _say_what_is_next(unit: Unit, *, enabled: bool) -> None:
    whose = " --user" if unit.account is None else ""
    if not enabled:
        terminal.remark(
            f"Start it: systemctl{whose} daemon-reload && systemctl{whose} enable --now {unit.name}"
        )
    if unit.account is None:
        terminal.remark("To let it run while you are logged out: loginctl enable-linger")
        return
    terminal.remark(
        "See what that account may do: "
        f"sudo -u {unit.account} {unit.python} -m reconciler doctor --config {unit.config}"
        f" --data-dir {unit.data_dir}"
    )
