"""The application of the demonstration: submits prompts, inserts rows, and knows no reconciler."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import requests

from reconciler.demo.scenario import Act
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator

HTTP_TIMEOUT_S = 10.0


class Application:
    """A small video studio with one table of jobs."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True

    def close(self) -> None:
        """Closes its connection."""
        self._connection.close()

    def submit(self, act: Act, number: int, simulator: Simulator) -> tuple[str, str]:
        """Submits a job as applications do; returns its id and its prompt's."""
        frames = None if act.frames == 1 else act.frames
        graph = render_graph(
            act.outcome if act.outcome is not Outcome.CACHED else Outcome.SUCCESS,
            saver=act.saver,
            frames=act.frames,
            seconds=act.seconds,
            seed=number if act.seed is None else act.seed,
            filename_prefix=f"demo/job{number:02d}",
            restart_after_s=3.0,
        )
        if act.by_tag:
            job_id = self._insert(act.title, frames, None)
            return job_id, simulator.submit(graph, job_id=job_id)
        prompt_id = simulator.submit(graph)
        return self._insert(act.title, frames, prompt_id), prompt_id

    def cancel(self, job_id: str) -> None:
        """The user changed their mind."""
        self._execute("update production_jobs set status = 'cancelled' where id = %s", job_id)

    def rows(self) -> list[dict[str, Any]]:
        """All rows, with what `reconciler.job_state` adds for the table on the screen."""
        return self._fetch(
            "select j.id::text, j.job_type, j.status, j.progress, j.output_path, j.error,"
            " s.stage, s.queue_position, s.failure, s.reason"
            " from production_jobs j left join reconciler.job_state s on s.job_id = j.id::text"
            " order by j.id"
        )

    def status(self, job_id: str) -> str:
        """What the row says now."""
        found = self._fetch("select status from production_jobs where id = %s", job_id)
        return str(found[0]["status"])

    def _insert(self, title: str, frames: int | None, prompt_id: str | None) -> str:
        found = self._fetch(
            "insert into production_jobs (job_type, frames, comfyui_job_id)"
            " values (%s, %s, %s) returning id::text",
            title,
            frames,
            prompt_id,
        )
        return str(found[0]["id"])

    def _execute(self, statement: str, *values: object) -> None:
        with self._cursor() as cursor:
            cursor.execute(statement, values)

    def _fetch(self, statement: str, *values: object) -> list[dict[str, Any]]:
        with self._cursor() as cursor:
            cursor.execute(statement, values)
            return [dict(row) for row in cursor.fetchall()]

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[psycopg2.extensions.cursor]:
        with self._connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            yield cursor


def interrupt(simulator: Simulator, prompt_id: str) -> None:
    """Somebody presses cancel in ComfyUI."""
    body = {"prompt_id": prompt_id}
    requests.post(f"{simulator.url}/interrupt", json=body, timeout=HTTP_TIMEOUT_S)


def delete(simulator: Simulator, prompt_id: str) -> None:
    """Somebody deletes a waiting prompt in ComfyUI."""
    body = {"delete": [prompt_id]}
    requests.post(f"{simulator.url}/queue", json=body, timeout=HTTP_TIMEOUT_S)
