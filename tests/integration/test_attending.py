"""A server that cannot be attended to: the others do not wait for it."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from reconciler.core.lease import Lease
from reconciler.reconcile.servers import WatchedServer
from reconciler.service import service as module
from reconciler.service.service import Service
from reconciler.service.wiring import connect
from reconciler.settings import load
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.integration.running import Rows, write_config


def test_others_are_reconciled_and_it_is_tried_again(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEGIN_AGAIN_S", 1.0)
    rows = Rows(database)
    with Simulator(tmp_path / "one") as one, Simulator(tmp_path / "two") as two:
        settings = load(config=write_config(tmp_path, database, one, two), environ={})
        service = Service(settings, connect(settings))
        begin, mended = service._parts.attended.begin, []

        def fails(lease: Lease) -> WatchedServer:
            if lease.server == "gpu1" and not mended:
                raise RuntimeError("a defect")
            return begin(lease)

        monkeypatch.setattr(service._parts.attended, "begin", fails)
        thread = Thread(target=service.run)
        thread.start()
        try:
            jobs = {
                gpu: rows.insert(comfyui_job_id=gpu.submit(render_graph(width=64, height=64)))
                for gpu in (one, two)
            }
            rows.wait(jobs[two], "completed")
            assert rows.row(jobs[one])["status"] == "queued"
            mended.append(True)
            rows.wait(jobs[one], "completed")
        finally:
            service.stop()
            thread.join(20.0)
        assert not thread.is_alive()
