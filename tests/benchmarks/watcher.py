"""When each row became right, as an application learns it that listens to its table."""

from __future__ import annotations

import select
import threading
import time
from contextlib import closing
from typing import Self

import psycopg2
import psycopg2.extensions

_FINAL = ("completed", "failed", "cancelled")

#: On the application's own table, so that it hears of every writer in the same way.
_TRIGGER = """
    create function tell_status() returns trigger language plpgsql as $$ begin
        perform pg_notify('benchmark', new.comfyui_job_id || ' ' || new.status);
        return null;
    end $$;
    create trigger tell_status after update of status on production_jobs for each row
        when (new.status is distinct from old.status) execute function tell_status();
    listen benchmark;
"""


class Watcher:
    """Notes when a row's final status is heard: after its commit. Use it as a context manager."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg2.connect(database_url)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(_TRIGGER)
        self._changed = threading.Condition()
        self._final: dict[str, tuple[float, str]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def final(self, prompt_id: str) -> tuple[float, str] | None:
        """When (`time.time()`) and with which status the prompt's row became final."""
        with self._changed:
            return self._final.get(prompt_id)

    def wait(self, prompt_ids: set[str], timeout_s: float) -> set[str]:
        """Waits until one of these is final; returns those that are. Empty after the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._final.keys() & prompt_ids, timeout_s)
            return self._final.keys() & prompt_ids

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._connection.close()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            if not select.select([self._connection], [], [], 0.2)[0]:
                continue
            now = time.time()
            self._connection.poll()
            heard = [notify.payload.split() for notify in self._connection.notifies]
            self._connection.notifies.clear()
            with self._changed:
                for prompt_id, status in heard:
                    if status in _FINAL:
                        self._final.setdefault(prompt_id, (now, status))
                self._changed.notify_all()


def inspected_at(database_url: str) -> dict[str, float]:
    """When the inspection of each file was finished, by path; seconds since the epoch."""
    statement = "select path, extract(epoch from inspected_at)::float8 from reconciler.outputs"
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return {bytes(path).decode(): at for path, at in cursor.fetchall()}
