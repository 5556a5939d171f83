"""Hosts whose output directories have the same name, each with files of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.evidence import FileState
from reconciler.store import Store, open_store
from reconciler.store.outputs import Noted, OutputRecord
from reconciler.store.servers import ServerRecord

ROOT = Path("/srv/comfy/output")


@pytest.fixture
def hosts(database: str) -> Iterator[tuple[Store, Store]]:
    """What two agents have, each on a host of its own."""
    stores = open_store(database), open_store(database)
    yield stores
    for store in stores:
        store.close()


def settle(store: Store, name: str, machine: str, *, shared: bool = False) -> str:
    record = ServerRecord(name, f"http://{name}")
    space = store.servers.settle_space(record, ROOT, machine, shared=shared)
    store.outputs.spaces.put(ROOT, space)
    return space


def output(server: str, size_bytes: int, **more: object) -> OutputRecord:
    path = ROOT / "ComfyUI_00001_.png"
    values = {"mtime_ns": 1, "inode": 7, "inspection": {}, "verdict": FileState.SOUND, **more}
    return OutputRecord(path, server, size_bytes, **values)  # type: ignore[arg-type]


def test_equal_paths_on_two_hosts_are_two_files(hosts: tuple[Store, Store]) -> None:
    one, two = hosts
    assert (settle(one, "gpu1", "host a"), settle(two, "gpu2", "host b")) == ("", "gpu2")
    first, second = output("gpu1", 100), output("gpu2", 200, tag_job_id="5")
    one.outputs.save(first)
    two.outputs.save(second)
    one.outputs.note_listing("p1", {first.path: Noted(reused=False)})
    two.outputs.note_listing("p2", {second.path: Noted(reused=False)})
    for store, mine in ((one, first), (two, second)):
        assert store.outputs.known([mine.path])[mine.path].size_bytes == mine.size_bytes
        assert store.outputs.claims([mine.path])[mine.path].tag_job_id == mine.tag_job_id
    assert two.outputs.claimed("5", []) != []
    assert one.outputs.claimed("5", []) == [], "it lies on another host"
    one.outputs.attribute({first.path: "p1"}, "1")
    orphans, total = one.outputs.orphans(None)
    assert (total, orphans[0].server, orphans[0].path) == (1, "gpu2", second.path)


def test_agents_of_one_machine_share_a_directory(hosts: tuple[Store, Store]) -> None:
    one, two = hosts
    assert (settle(one, "gpu1", "host a"), settle(two, "gpu2", "host a")) == ("", "")
    one.outputs.save(output("gpu1", 100))
    assert two.outputs.known([output("gpu2", 0).path]) != {}


def test_storage_that_hosts_share_has_one_name_for_a_file(hosts: tuple[Store, Store]) -> None:
    one, two = hosts
    assert settle(one, "gpu1", "host a", shared=True) == ""
    assert settle(two, "gpu2", "host b", shared=True) == ""


def test_what_is_settled_stays(hosts: tuple[Store, Store]) -> None:
    one, two = hosts
    settle(one, "gpu1", "host a")
    settle(two, "gpu2", "host b")
    assert settle(two, "gpu1", "host b") == "", "another agent took the server over"
    assert settle(one, "gpu2", "host c") == "gpu2"
    two.servers.save(two.servers.all())
    assert {server.name: server.space for server in one.servers.all()} == {
        "gpu1": "",
        "gpu2": "gpu2",
    }
