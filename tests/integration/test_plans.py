"""Among very many finished jobs no query of the service reads them: by Postgres' own plans, and by
what it counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.lease import LeaseTerms
from reconciler.retention.events import Events
from reconciler.retention.jobs import Jobs
from reconciler.retention.manifests import Manifests
from reconciler.retention.outputs import Outputs
from reconciler.retention.task import Keep
from reconciler.retention.thumbnails import Thumbnails
from reconciler.store import connection, open_store
from reconciler.store.agents import AgentStore, Identity
from reconciler.store.leases import LeaseStore, all_leases
from reconciler.store.retention import RetentionStore
from tests.integration.conftest import execute
from tests.integration.old_jobs import Past
from tests.integration.reconciling import Bench, error, success

#: Finished jobs, and the rows of each large table that go with them.
FINISHED = 100_000
LARGE = ("production_jobs", "job_state", "prompts", "events", "outputs", "listings")
#: Rows that a statement may expect to read of one of them.
FEW = 2_000

_HISTORY = """
insert into production_jobs (comfyui_job_id, status, created_at)
select 'old-' || n, case n % 5 when 0 then 'failed' else 'completed' end,
       now() - interval '60 days' + n * interval '1 s'
from generate_series(1, {jobs}) n;
insert into reconciler.job_state (job_id, known_status, failure, decided_at, server, rule)
select id::text, status, case status when 'failed' then 'lost' end, created_at, 'gpu', 'success'
from production_jobs;
insert into reconciler.prompts (prompt_id, job_id, attempt, server, ever_seen, ending)
select comfyui_job_id, id::text, 1, 'gpu', true, '{{"kind": "success", "source": "history"}}'
from production_jobs;
insert into reconciler.events (at, job_id, attempt, kind, reason)
select created_at, id::text, 1, 'status', 'said' from production_jobs;
insert into reconciler.outputs (path, server, job_id, prompt_id, size_bytes, mtime_ns, inode,
                                device, inspection, verdict, inspected_at, group_key, tag_job_id)
select convert_to('/gone/' || id || '.png', 'UTF8'), 'gpu', id::text, comfyui_job_id, 6, id, id, 1,
       '{{}}', 'sound', created_at, convert_to('g' || id, 'UTF8'), id::text
from production_jobs;
insert into reconciler.listings (path, prompt_id, reused)
select convert_to('/gone/' || id || '.png', 'UTF8'), comfyui_job_id, false from production_jobs;
"""


class Recorder:
    """The statements that were executed, with their values, each kind once."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def cursor_class(self) -> type[connection.Cursor]:
        """Cursors that note what they execute."""
        texts = self.texts

        class Noting(connection.Cursor):
            def execute(self, statement: Any, values: Any = None) -> None:
                kind = statement if isinstance(statement, str) else statement.as_string(self)
                texts[kind] = self.mogrify(statement, values).decode()
                super().execute(statement, values)

        return Noting


@pytest.fixture
def crowded(database: str) -> Iterator[str]:
    """A database in which very many jobs have ended."""
    open_store(database).close()
    execute(database, _HISTORY.format(jobs=FINISHED))
    execute(database, "vacuum analyze")
    yield database


def live_a_day(url: str, folder: Path) -> None:
    """Jobs come and end in each way, an agent keeps its leases, and what is old goes."""
    bench = Bench(url, folder)
    rows = [bench.insert(comfyui_job_id=f"new-{n}") for n in range(12)]
    bench.server.pending = [QueuedPrompt(f"new-{n}", float(n)) for n in range(12)]
    bench.server.pending.append(QueuedPrompt("tagged", 20.0, job_id=bench.insert()))
    bench.passes(2)
    bench.server.end("new-0", success(bench.image("a.png")))
    bench.server.end("new-1", error())
    bench.server.forget("new-2")
    bench.server.run("new-3")
    bench.sql("update production_jobs set status = 'cancelled' where id = %s", int(rows[4]))
    bench.sql("delete from production_jobs where id = %s", int(rows[5]))
    bench.passes(3)
    bench.sql("update production_jobs set status = 'queued' where id = %s", int(rows[1]))
    bench.run_pass(search_history=True)
    (row,) = bench.sql("select status from production_jobs where id = %s", int(rows[0]))
    assert row["status"] == "completed"
    lead(bench)
    keep(bench, folder)
    bench.close()


def lead(bench: Bench) -> None:
    """An agent's own life."""
    own = bench.store.connection
    agents, agent = AgentStore(own), Identity("gpu1", "0", ["gpu"])
    leases = LeaseStore(own, agents, agent, LeaseTerms(30.0))
    leases.name(["gpu"])
    agents.note(agent)
    leases.acquire(["gpu"])
    leases.renew([], {}, None)
    agents.forget_dead(agent)
    all_leases(own)
    leases.release()


def keep(bench: Bench, folder: Path) -> None:
    """Two batches of each task of the retention: the second goes on where the first ended."""
    past = Past(bench.url, folder / "kept")
    store = RetentionStore(bench.store.connection, bench.store.connection, bench.store.table)
    keeping = Keep(days=58, count=FINISHED)
    past.manifest("old-1", 59)
    tasks = [
        Jobs(store, Keep(days=58)),
        Events(store, keeping),
        Thumbnails(store, keeping),
        Outputs(store, keeping, past.directory),
        Manifests(store, keeping, past.directory),
    ]
    for task in tasks:
        for _ in range(2):
            task.run_once()
    past.close()


def scans(plan: dict[str, Any], under_limit: bool = False) -> Iterator[tuple[dict[str, Any], bool]]:
    """The nodes of a plan that read tables, and whether a limit stops them."""
    under_limit |= plan["Node Type"] == "Limit"
    if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        yield plan, under_limit
    for inner in plan.get("Plans", ()):
        yield from scans(inner, under_limit)


def complaints(url: str, text: str) -> list[str]:
    """What is wrong with the plan of a statement."""
    with closing(psycopg2.connect(url)) as raw, raw.cursor() as cursor:
        cursor.execute("explain (format json) " + text.replace("%", "%%"), ())
        (answer,) = cursor.fetchone()  # type: ignore[misc]
    (top,) = answer if isinstance(answer, list) else json.loads(answer)
    return [
        f"{node['Node Type']} on {node['Relation Name']}, {node['Plan Rows']} rows: {text[:300]}"
        for node, under_limit in scans(top["Plan"])
        if node["Relation Name"] in LARGE
        and (node["Node Type"] == "Seq Scan" or (node["Plan Rows"] > FEW and not under_limit))
    ]


def counted(url: str) -> dict[str, tuple[int, int]]:
    """Rows of each large table that were read one after the other, and through an index."""
    statement = (
        "select relname, coalesce(seq_tup_read, 0), coalesce(idx_tup_fetch, 0)"
        " from pg_stat_user_tables where relname = any(%s)"
    )
    with closing(psycopg2.connect(url)) as raw, raw.cursor() as cursor:
        cursor.execute(statement, (list(LARGE),))
        return {name: (one_by_one, by_index) for name, one_by_one, by_index in cursor.fetchall()}


def test_no_query_of_the_service_reads_the_finished_jobs(
    crowded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    before = counted(crowded)
    with monkeypatch.context() as patch:
        patch.setattr(connection, "Cursor", recorder.cursor_class())
        live_a_day(crowded, tmp_path)
    verbs = ("select", "insert", "update", "delete", "with")
    texts = [text for text in recorder.texts.values() if text.lower().startswith(verbs)]
    assert len(texts) > 40
    assert not [wrong for text in texts for wrong in complaints(crowded, text)]
    after = counted(crowded)
    for name, (one_by_one, by_index) in after.items():
        assert one_by_one - before[name][0] < FINISHED, f"{name} was read from end to end"
        assert by_index - before[name][1] < FINISHED / 2, f"{name}: {by_index} rows by index"
