"""Servers that tests start and maltreat: Postgres, of each version whose programs are here, and
PgBouncer before one.

Debian's packages are brought by `tests/debian.sh`. Programs elsewhere are named, parted by colons,
in TEST_POSTGRES_PROGRAMS: folders with initdb, pg_ctl and postgres in them.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2

from reconciler.store import server_programs as programs
from tests.waiting import wait_for

PGBOUNCER = Path("/usr/sbin/pgbouncer")
NO_DEBIAN = "needs Debian's package postgresql (make test installs it where root has apt)"
NO_PGBOUNCER = "needs Debian's package pgbouncer (make test installs it where root has apt)"

_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = off
{more}
"""
_POOLER = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 4
logfile = {folder}/log
{more}
"""


def debian_programs() -> list[Path]:
    """The program folders of Debian's packages and of those that were named, oldest first."""
    named = os.environ.get("TEST_POSTGRES_PROGRAMS", "")
    found = [Path(each) for each in named.split(":") if each]
    found += [each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return sorted(found, key=version_of)


def version_of(folder: Path) -> int:
    """The major version of the programs in a folder."""
    said = subprocess.run([folder / "postgres", "-V"], capture_output=True, check=True, text=True)
    return int(said.stdout.split()[2].split(".")[0])


def free_port() -> int:
    """A port that nobody has at the moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Postgres:
    """A server of the test's own; run by an ordinary user, since root may not."""

    programs: Path
    home: Path
    #: Lines of postgresql.conf.
    more: str = ""
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def data(self) -> Path:
        """What Postgres calls its data directory."""
        return self.home / "data"

    @property
    def url(self) -> str:
        """The superuser's."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Makes the data, with a password and without fsync: no test pulls the machine's plug."""
        self.home.mkdir(exist_ok=True)
        password = self.home / "password"
        password.write_text(self.password, encoding="utf-8")
        password.chmod(0o644)
        self.own(self.home)
        options = ("--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}")
        self._run("initdb", *options, "--encoding=UTF8", "--locale=C", "--no-sync")
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(_CONFIGURATION.format(port=self.port, more=self.more))

    def own(self, path: Path) -> None:
        """Gives a file or folder to the user who runs the server."""
        if account := programs.server_account(self.home):
            os.chown(path, account.uid, account.gid)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self._run("pg_ctl", "start", "-w", "-t", "60", "-l", "log")

    def stop(self, how: str = "fast") -> None:
        """Stops it, if it runs."""
        if self.processes():
            self.thaw()
            self._run("pg_ctl", "stop", "-w", "-m", how)

    def processes(self) -> list[psutil.Process]:
        """The postmaster and its children."""
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
            postmaster = psutil.Process(pid)
            return [postmaster, *postmaster.children(recursive=True)]
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return []

    def kill(self) -> None:
        """kill -9 of everything, as when the machine goes down."""
        killed = self.processes()
        self._signal(signal.SIGKILL)
        psutil.wait_procs(killed, timeout=10.0)

    def freeze(self) -> None:
        """Nothing of it runs any more; its kernel goes on to accept connections."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _run(self, program: str, *arguments: str) -> None:
        account = programs.server_account(self.home)
        tool = self.programs / program
        programs.run(tool, *arguments, folder=self.home, data=self.data, account=account)


@contextmanager
def pgbouncer(url: str, folder: Path, more: str = "") -> Iterator[str]:
    """PgBouncer in transaction mode before the server of the URL; the URL through it. `more`: lines
    of its settings."""
    folder.mkdir()
    parts = urlsplit(url)
    host, port, own_port = parts.hostname, parts.port, free_port()
    account = programs.server_account(folder)
    (folder / "users").write_text(f'"{parts.username}" "{parts.password}"\n', encoding="utf-8")
    settings = folder / "pgbouncer.ini"
    told = {"host": host, "port": port, "own_port": own_port, "folder": folder, "more": more}
    settings.write_text(_POOLER.format(**told))
    if account:
        os.chown(folder, account.uid, account.gid)
    uid, gid = (account.uid, account.gid) if account else (None, None)
    process = subprocess.Popen(
        [PGBOUNCER, "-q", settings],
        user=uid,
        group=gid,
        extra_groups=[] if account else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    through = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{own_port}")
    try:
        wait_for(lambda: answers(through.geturl()) or process.poll(), "PgBouncer answers")
        yield through.geturl()
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    """True where a connection can be had."""
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.Error:
        return False
    return True
