"""Files found by the ids that stand in URLs, and only those that were inspected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from reconciler.core.evidence import FileState
from reconciler.store import Store, open_store
from reconciler.store.output_ids import OutputFinder, output_id
from reconciler.store.outputs import OutputRecord


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    with closing(open_store(database)) as store:
        yield store


def record(path: Path, job_id: str | None = None, **more: object) -> OutputRecord:
    told = {"media": "image", "defects": []}
    return OutputRecord(path, "gpu", 7, 8, 9, told, FileState.SOUND, job_id, **more)  # type: ignore[arg-type]


def test_a_file_is_found_by_its_id(store: Store) -> None:
    path = Path("/srv/out/é b'\"<.png")
    store.outputs.save(record(path, "42", device=3, thumbnail=b"\xff\xd8\xffpicture"))
    finder = OutputFinder(store.connection)
    wanted = output_id(store.outputs.spaces.key(path))
    found = finder.one(wanted)
    assert found is not None
    assert (found.id, found.path, found.job_id, found.device) == (wanted, path, "42", 3)
    assert (found.size_bytes, found.mtime_ns, found.inode) == (7, 8, 9)
    assert not found.has_space
    assert finder.thumbnail(wanted) == b"\xff\xd8\xffpicture"
    assert [each.id for each in finder.of_job("42")] == [wanted]


@pytest.mark.parametrize("wanted", ["", "0" * 32, "zz", "../../etc/passwd", "A" * 32, "0" * 31])
def test_another_id_finds_nothing(store: Store, wanted: str) -> None:
    store.outputs.save(record(Path("/srv/out/a.png")))
    finder = OutputFinder(store.connection)
    assert finder.one(wanted) is None
    assert finder.thumbnail(wanted) is None


def test_files_of_one_name_on_two_hosts_have_two_ids(store: Store) -> None:
    path = Path("/srv/out/a.png")
    store.outputs.save(record(path))
    store.outputs.spaces.put(Path("/srv/out"), "gpu2")
    store.outputs.save(record(path))
    finder = OutputFinder(store.connection)
    keys = (b"/srv/out/a.png", b"gpu2:/srv/out/a.png")
    found = [finder.one(output_id(key)) for key in keys]
    assert [each and (each.path, each.has_space) for each in found] == [(path, False), (path, True)]


def test_the_index_is_used(store: Store, database: str) -> None:
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into reconciler.outputs (path, server, size_bytes, mtime_ns, inode, inspection,"
            " verdict) select convert_to('/out/' || n, 'UTF8'), 'gpu', 1, 1, n, '{}', 'sound'"
            " from generate_series(1, 5000) n; analyze reconciler.outputs;"
            " explain select path from reconciler.outputs"
            " where substring(sha256(path) from 1 for 16) = %s",
            (bytes.fromhex(output_id(b"/out/77")),),
        )
        plan = "\n".join(str(line) for (line,) in cursor.fetchall())
    assert "outputs_id" in plan
