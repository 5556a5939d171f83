"""The real service as a process, its settings, and an application's view of its rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras

from reconciler.simulator.simulator import Simulator
from tests.waiting import wait_for

#: Everything in a second or two; what is measured in production is in minutes.
QUICK: dict[str, Any] = {
    "reconcile": {"interval_s": 0.5},
    "outputs": {"unsound_confirm_s": 0.5, "missing_output_grace_s": 1.0, "settle_s": 0.2},
    "stall": {"no_progress_s": 5.0, "startup_grace_s": 0.5},
    "lost": {"confirmations": 3, "grace_s": 1.5, "restart_grace_s": 1.0},
    "watch": {"rescan_s": 2.0},
    "comfyui": {"timeout_s": 2.0, "connect_timeout_s": 1.0},
    # Importing it takes a second of each service; its own tests have it.
    "web": {"enabled": False},
}


class Rows:
    """What an application sees of its table."""

    def __init__(self, url: str) -> None:
        self.url = url

    def sql(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """One statement on a connection of its own."""
        factory = psycopg2.extras.RealDictCursor
        with (
            closing(psycopg2.connect(self.url)) as connection,
            connection,
            connection.cursor(cursor_factory=factory) as cursor,
        ):
            cursor.execute(statement, values or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def insert(self, **columns: object) -> str:
        """A row as an application inserts it; returns its id."""
        names, values = ", ".join(columns), ", ".join(["%s"] * len(columns))
        what = f"({names}) values ({values})" if columns else "default values"
        statement = f"insert into production_jobs {what} returning id::text"
        return str(self.sql(statement, *columns.values())[0]["id"])

    def row(self, job_id: str) -> dict[str, Any]:
        """The row now."""
        return self.sql("select * from production_jobs where id::text = %s", job_id)[0]

    def exists(self) -> bool:
        """True once the service has made the table."""
        return bool(
            self.sql("select to_regclass('production_jobs') is not null as there")[0]["there"]
        )

    def wait(self, job_id: str, status: str, error: str | None = None) -> dict[str, Any]:
        """Waits for a status, and for an error that begins so."""

        def there() -> dict[str, Any] | None:
            row = self.row(job_id)
            fits = row["status"] == status and (
                error is None or (row["error"] or "").startswith(error)
            )
            return row if fits else None

        return wait_for(there, f"job {job_id} is {status} {error or ''}: {self.row(job_id)}")


def write_config(folder: Path, url: str, *simulators: Simulator, **more: Any) -> Path:
    """Settings for these servers, as a file."""
    servers = [
        {"name": f"gpu{n}", "url": simulator.url, "output_dir": str(simulator.output_dir)}
        for n, simulator in enumerate(simulators, start=1)
    ]
    config = folder / "reconciler.yaml"
    settings = {**QUICK, "servers": servers, "database": {"url": url}, **more}
    settings.setdefault("data_dir", str(folder / "data"))
    config.write_text(json.dumps(settings), encoding="utf-8")
    return config


class Running:
    """A running `reconciler run`."""

    def __init__(
        self, config: Path, log: Path, module: str = "reconciler", prefix: Sequence[str] = ()
    ) -> None:
        """`module`: what is run; by default the version that this is. `prefix`: a command that
        runs it."""
        self.log, self.prefix = log, prefix
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RECONCILER_")}
        self._file = log.open("ab")
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", module, "run", "--config", os.fspath(config)],
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
            env=environment,
        )

    def wait_until_watching(self) -> None:
        """Waits until it says so."""
        wait_for(lambda: b"watching" in self.log.read_bytes() or self.process.poll(), "it watches")
        assert self.process.poll() is None, self.log.read_text()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """SIGTERM; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20.0)
        finally:
            self.process.kill()
            self.process.wait()
            self._file.close()


@contextmanager
def running(
    config: Path,
    module: str = "reconciler",
    *,
    until_watching: bool = True,
    prefix: Sequence[str] = (),
) -> Iterator[Running]:
    """The service, watching; stopped at the end."""
    service = Running(config, config.with_name("service.log"), module, prefix)
    try:
        if until_watching:
            service.wait_until_watching()
        yield service
    finally:
        service.end()
