"""Past runs in Postgres: what is learned from, and what a job's page compares with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2 import sql
from psycopg2.extras import Json

from reconciler.core.evidence import EndKind, NodeRun
from reconciler.core.kinds import Kind, PromptRun, Run, Sizes
from reconciler.store.clean import clean_json
from reconciler.store.connection import Connection, Cursor
from reconciler.store.queries import query

#: Runs that are read at a start, at most, and of each workflow, job type and server.
MAX_READ, MAX_OF_EACH = 20_000, 80
#: Runs of one job or workflow that are read, at most.
MAX_COMPARED = 200

_TIMES = ("ended_at",)
_NAMES = (
    *("prompt_id", "job_id", "attempt", "server", "job_type", "workflow", "frames", "width"),
    *("height", "steps", "ended_at", "kind", "waited_s", "ran_s", "nodes", "cached"),
    *("nodes_by", "reused"),
)
_COLUMNS = sql.SQL(", ").join(
    sql.SQL("extract(epoch from r.{0})::float8 as {0}" if name in _TIMES else "r.{}").format(
        sql.Identifier(name)
    )
    for name in _NAMES
)


class RunStore:
    """Runs in Postgres. Every method raises DatabaseError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self) -> list[PromptRun]:
        """The newest successes of each workflow, job type and server, the oldest first."""
        return self._read("newest_runs", limit=MAX_READ, of_each=MAX_OF_EACH)

    def noted_since(self, instant: float) -> list[PromptRun]:
        """Successes that were stored since then, the oldest first."""
        return self._read("runs_noted_since", since=instant, limit=MAX_READ)

    def of_job(self, job_id: str) -> list[PromptRun]:
        """The runs of a job, the newest first."""
        return self._read("runs_of_job", job_id=job_id, limit=MAX_COMPARED)

    def like(self, record: PromptRun) -> list[PromptRun]:
        """Other successes of the same workflow, the newest first."""
        if record.run.kind.workflow is None:
            return []
        return self._read(
            "runs_like",
            workflow=record.run.kind.workflow,
            prompt_id=record.prompt_id,
            limit=MAX_COMPARED,
        )

    def _read(self, name: str, **values: object) -> list[PromptRun]:
        with self._connection.transaction() as cursor:
            cursor.execute(query(name, run=_COLUMNS), values)
            return [_record(row) for row in cursor.fetchall()]


def save_runs(cursor: Cursor, records: Sequence[PromptRun]) -> None:
    """Notes runs, each once; within somebody's transaction."""
    by_prompt = {record.prompt_id: _stored(record) for record in records}
    if by_prompt:
        cursor.execute(query("save_runs"), {"runs": Json(clean_json(list(by_prompt.values())))})


def _stored(record: PromptRun) -> dict[str, object]:
    kind, sizes = record.run.kind, record.run.kind.sizes
    return {
        "prompt_id": record.prompt_id,
        "job_id": record.job_id,
        "attempt": record.attempt,
        "server": kind.server or "",
        "job_type": kind.job_type,
        "workflow": kind.workflow,
        **{name: getattr(sizes, name) for name in Sizes.__slots__},
        "ended_at": record.run.ended_at,
        "kind": record.kind.value,
        "waited_s": record.waited_s,
        "ran_s": record.run.ran_s,
        "nodes": [[n.node_id, n.node_type, n.seconds] for n in record.run.nodes],
        "cached": list(record.cached),
        "nodes_by": record.nodes_by,
        "reused": record.reused,
    }


def _record(row: Mapping[str, Any]) -> PromptRun:
    sizes = Sizes(*(row[name] for name in Sizes.__slots__))
    kind = Kind(row["workflow"], row["job_type"], row["server"] or None, sizes)
    nodes = tuple(NodeRun(str(n), str(t), float(s)) for n, t, s in row["nodes"])
    return PromptRun(
        row["prompt_id"],
        row["job_id"],
        row["attempt"],
        EndKind(row["kind"]),
        Run(kind, row["ran_s"], row["ended_at"], nodes),
        row["waited_s"],
        tuple(row["cached"]),
        row["nodes_by"],
        row["reused"],
    )
