"""What happens to the Postgres of a `World`: each a context, in which it lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress

import psycopg2

from tests.faults.postgres_trial import World
from tests.integration.conftest import execute
from tests.waiting import wait_for


@contextmanager
def restarted(stage: World) -> Iterator[None]:
    stage.server.stop()
    try:
        yield
    finally:
        stage.server.start()


@contextmanager
def killed(stage: World) -> Iterator[None]:
    stage.server.kill()
    try:
        yield
    finally:
        stage.server.start()


@contextmanager
def frozen(stage: World) -> Iterator[None]:
    stage.server.freeze()
    try:
        yield
    finally:
        stage.server.thaw()


@contextmanager
def black_hole(stage: World) -> Iterator[None]:
    """Everything is swallowed, and what was open then is gone when the network is back."""
    stage.proxy.hold()
    try:
        yield
    finally:
        stage.proxy.cut()
        stage.proxy.release()


@contextmanager
def refused(stage: World) -> Iterator[None]:
    stage.proxy.refuse()
    stage.proxy.cut()
    try:
        yield
    finally:
        stage.proxy.accept()


@contextmanager
def cut_again_and_again(stage: World) -> Iterator[None]:
    over = threading.Event()

    def cut() -> None:
        while not over.wait(0.05):
            stage.proxy.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def out_of_connections(stage: World) -> Iterator[None]:
    """Others take every connection, also those that the service had."""
    ours = "select from pg_stat_activity where application_name = 'reconciler'"
    held = []

    def all_taken() -> bool:
        execute(stage.server.url, ours.replace("select", "select pg_terminate_backend(pid)"))
        with suppress(psycopg2.OperationalError):
            while True:
                held.append(psycopg2.connect(stage.rows.url))
        with closing(psycopg2.connect(stage.server.url)) as look, look.cursor() as cursor:
            cursor.execute(ours)
            return cursor.fetchone() is None

    wait_for(all_taken, "no connection is left to the service")
    try:
        yield
    finally:
        for connection in held:
            connection.close()


@contextmanager
def read_only(stage: World) -> Iterator[None]:
    """As a standby, or a database that its owner has closed for writing."""
    execute(stage.server.url, "alter database jobs set default_transaction_read_only = on")
    stage.proxy.cut()
    try:
        yield
    finally:
        execute(stage.server.url, "alter database jobs reset default_transaction_read_only")
        stage.proxy.cut()


@contextmanager
def table_locked(stage: World) -> Iterator[None]:
    with closing(psycopg2.connect(stage.rows.url)) as other, other.cursor() as cursor:
        cursor.execute("lock table production_jobs in access exclusive mode")
        yield


@contextmanager
def rows_locked(stage: World) -> Iterator[None]:
    """Somebody's transaction holds every row, and does not end."""
    with closing(psycopg2.connect(stage.rows.url)) as other, other.cursor() as cursor:
        cursor.execute("select from production_jobs for update")
        yield


@contextmanager
def serializable(stage: World) -> Iterator[None]:
    """The owner has made another isolation the default, and the application uses it, in haste."""
    isolation = "alter database jobs {} default_transaction_isolation"
    execute(stage.server.url, isolation.format("set") + " = 'serializable'")
    stage.proxy.cut()
    over = threading.Event()

    def touch() -> None:
        while not over.is_set():
            with suppress(psycopg2.OperationalError):  # could not serialize access
                stage.rows.sql("update production_jobs set metadata = metadata")

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        execute(stage.server.url, isolation.format("reset"))
        stage.proxy.cut()


@contextmanager
def slow(stage: World, seconds: float) -> Iterator[None]:
    """Each answer of Postgres comes so much later."""
    stage.proxy.delay_s = seconds
    try:
        yield
    finally:
        stage.proxy.delay_s = 0.0


FAULTS: dict[str, Callable[[World], AbstractContextManager[None]]] = {
    "restarted": restarted,
    "kill -9": killed,
    "frozen": frozen,
    "black hole": black_hole,
    "refused": refused,
    "cut again and again": cut_again_and_again,
    "out of connections": out_of_connections,
    "read only": read_only,
    "table locked": table_locked,
    "rows locked": rows_locked,
    "serializable": serializable,
}
