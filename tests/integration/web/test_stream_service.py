"""A reader that takes nothing, on the service itself: passes go on as if it were not there, and
its metrics tell of them."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import httpx
import psycopg2

from reconciler.simulator.simulator import Simulator
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for


def test_passes_go_on_beside_a_reader_that_takes_nothing(database: str, tmp_path: Path) -> None:
    with (
        Simulator(tmp_path / "output") as simulator,
        running(write_config(tmp_path, database, simulator, web={"port": 0})) as service,
        socket.socket() as stuck,
    ):
        port = wait_for(
            lambda: re.search(r"http://127\.0\.0\.1:(\d+)", _web_line(service.log)),
            "the web interface is there",
        ).group(1)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", int(port)))
        stuck.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in stuck.recv(100)
        rows = Rows(database)
        with psycopg2.connect(database) as connection, connection.cursor() as cursor:
            for _ in range(5):
                cursor.execute(
                    "insert into reconciler.events (job_id, attempt, kind, reason)"
                    " select '0', 1, 'note', repeat('a', 8000) from generate_series(1, 400)"
                )
                connection.commit()
                cursor.execute("notify reconciler, 'event'")
                connection.commit()
                job_id = rows.insert()
                wait_for(lambda job_id=job_id: _is_seen(rows, job_id), "a pass sees the row")
        connection.close()
        told = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10.0).text
        samples = dict(line.rsplit(" ", 1) for line in told.splitlines() if line[:1] not in "#")
        assert samples['reconciler_jobs{status="queued"}'] == "5.0"
        assert samples['reconciler_queue_depth{server="gpu1",state="pending"}'] == "0.0"


def _web_line(log: Path) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())
    return "\n".join(line for line in plain.splitlines() if "web interface" in line)


def _is_seen(rows: Rows, job_id: str) -> bool:
    return bool(rows.sql("select true from reconciler.job_state where job_id = %s", job_id))
