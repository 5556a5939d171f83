"""The files of an embedded Postgres: where they lie, how they are made, and who serves them."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from reconciler.store import server_programs as programs

#: A log larger than this is put aside, as postgres/log.old, at the next start.
LOG_LIMIT_BYTES = 10_000_000

#: Passwords, not trust. Postgres' own locale: the system's come and go with its updates. Shared
#: memory as files of its own: logind removes a user's from /dev/shm when he logs out.
_INITDB_ARGUMENTS = (
    "--username=postgres",
    "--auth=scram-sha-256",
    "--pwfile=password",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--set=dynamic_shared_memory_type=mmap",
)


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The main process of a running server."""

    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """The data of one embedded server, under the data directory `home`.

    Its methods raise OSError, and ProgramFailed where a program of Postgres complains.
    """

    home: Path

    @property
    def lock_file(self) -> Path:
        """Held (flock) while somebody starts or stops the server."""
        return self.home / "postgres.lock"

    @property
    def url_file(self) -> Path:
        """How to connect, with the password; it stays when the server stops."""
        return self.home / "postgres.url"

    @property
    def folder(self) -> Path:
        """What belongs to the server: its data, log and password."""
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        """The data directory of Postgres itself."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "log"

    def url(self, port: int) -> str:
        """How the superuser connects to a server on this data."""
        password = (self.folder / "password").read_text(encoding="utf-8").strip()
        return f"postgresql://postgres:{quote(password, safe='')}@127.0.0.1:{port}/postgres"

    def published_url(self) -> str | None:
        """The content of the URL file, which may be out of date."""
        try:
            return self.url_file.read_text(encoding="utf-8").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def publish(self, url: str) -> None:
        """Write the URL file, atomically."""
        _write_privately(self.url_file, url + "\n")
        self.hand_over(self.url_file)

    def hand_over(self, path: Path) -> None:
        """Give what root made to the owner of the data directory, who could not use it else."""
        if os.geteuid() == 0:
            owner = self.home.stat()
            os.chown(path, owner.st_uid, owner.st_gid)

    def pg_ctl(self, *arguments: str) -> None:
        """Run pg_ctl, of the version that fits the data, as the account that owns the data."""
        version = (self.data / "PG_VERSION").read_text(encoding="utf-8").strip()
        programs.run(
            programs.installation(version) / "pg_ctl",
            *arguments,
            folder=self.folder,
            data=self.data,
            account=programs.server_account(self.home),
        )

    def create(self) -> None:
        """Make the data in a folder of its own, renamed when whole: a kill leaves no half data.

        The folder's name is random because an initdb may outlive a killed parent and write on.
        """
        for leftover in self.home.glob("postgres.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.home))
        try:
            self._fill(staging)
            staging.rename(self.folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def _fill(self, staging: Path) -> None:
        _write_privately(staging / "password", secrets.token_urlsafe(24) + "\n")
        account = programs.server_account(self.home)
        if account:
            os.chown(staging / "password", account.uid, account.gid)
            os.chown(staging, account.uid, account.gid)
        programs.run(
            programs.installation() / "initdb",
            *_INITDB_ARGUMENTS,
            folder=staging,
            data=staging / "data",
            account=account,
        )

    def postmaster(self) -> Postmaster | None:
        """The server that lives on this data, whether or not it answers yet."""
        entry = self._pid_file_entry()
        return entry if entry and self._is_home_of(entry.pid) else None

    def forget_recycled_pid(self) -> None:
        """Remove a pid file whose id is another process's by now: Postgres would wait for it."""
        entry = self._pid_file_entry()
        if entry and psutil.pid_exists(entry.pid) and not self._is_home_of(entry.pid):
            (self.data / "postmaster.pid").unlink()

    def _pid_file_entry(self) -> Postmaster | None:
        """What the server noted: its process id in the first line, its port in the fourth."""
        try:
            lines = (self.data / "postmaster.pid").read_bytes().splitlines()
            return Postmaster(int(lines[0]), int(lines[3]))
        except (FileNotFoundError, ValueError, IndexError):
            return None

    def _is_home_of(self, pid: int) -> bool:
        """Whether the process is the server: known by its working directory, not by its id.

        A pid file outlives a kill -9 and a reboot, and the id may by now be another process's,
        or (in a container whose first process reaps nobody) a zombie's.
        """
        try:
            return same_folder(psutil.Process(pid).cwd(), self.data)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True

    def log_bytes(self) -> int:
        """How long the log is by now."""
        return self.log.stat().st_size if self.log.exists() else 0

    def put_large_log_aside(self) -> None:
        """Keep one old log, so that none grows for ever."""
        if self.log_bytes() > LOG_LIMIT_BYTES and not self.postmaster():
            self.log.replace(self.log.with_name("log.old"))

    def complaint_since(self, start_bytes: int) -> str:
        """What the log says of errors from there on, in one line."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(start_bytes)
            return programs.errors_in(log.read(65536).decode("utf-8", "replace"))


def same_folder(one: str, other: Path) -> bool:
    """Whether both paths lead to one folder, by whatever name; False where one cannot be read."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _write_privately(path: Path, text: str) -> None:
    """Write atomically, durably, and readable by the owner alone."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)
