"""The real service: what it shows of a job that runs, and of what came out; also after kill -9."""

from __future__ import annotations

import io
import re
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from reconciler.simulator import Simulator, render_graph
from tests.integration.running import Rows, Running, running, write_config
from tests.waiting import wait_for


@pytest.fixture
def rows(database: str) -> Rows:
    return Rows(database)


def url_of(service: Running) -> str:
    """Where its page is."""

    def told() -> str | None:
        text = service.log.read_text()
        found = re.findall(
            r"http://127\.0\.0\.1:\d+",
            "\n".join(line for line in text.splitlines() if "web interface" in line),
        )
        return found[-1] if found else None

    url = wait_for(told, "its page")
    assert url is not None
    return url


def picture(web: httpx.Client, path: str) -> bytes:
    """What is shown there, once it is."""

    def look() -> bytes | None:
        answer = web.get(path)
        return answer.content if answer.status_code == 200 else None

    data = wait_for(look, f"{path}: {web.get(path).text[:300]}")
    assert data is not None
    return data


def decoders(service: Running) -> list[int]:
    """Processes of the service that decode files."""
    children = psutil.Process(service.process.pid).children(recursive=True)
    return [one.pid for one in children if any("outputs import worker" in w for w in one.cmdline())]


def test_from_the_first_step_to_the_sheet_and_again_after_kill_9(
    tmp_path: Path, database: str, rows: Rows
) -> None:
    with Simulator(tmp_path / "output", pack=True) as simulator:
        config = write_config(tmp_path, database, simulator, web={"port": 0})
        with running(config) as service, httpx.Client(base_url=url_of(service)) as web:
            graph = render_graph(frames=30, seconds=4.0, previews=True)
            job = rows.insert(comfyui_job_id=simulator.submit(graph))
            live = picture(web, f"/api/v1/jobs/{job}/preview?kind=live")
            assert Image.open(io.BytesIO(live)).size == (64, 64)
            rows.wait(job, "completed")
            done = web.get(f"/api/v1/jobs/{job}/preview?kind=live").json()
            assert "does not run" in done["detail"]
            for kind in ("thumbnail", "sheet"):
                Image.open(
                    io.BytesIO(picture(web, f"/api/v1/jobs/{job}/preview?kind={kind}"))
                ).load()
            asked = web.get(f"/api/v1/jobs/{job}/preview?kind=animation")
            assert asked.status_code == 202
            left = decoders(service)
            service.kill()
        kept = sorted((tmp_path / "data" / "previews").iterdir())
        for path in kept:
            assert not path.name.startswith("."), "nothing half is left"
            Image.open(path).load()
        service.log.unlink()
        wait_for(lambda: not any(map(psutil.pid_exists, left)), "no decoder survives")
        with running(config) as service, httpx.Client(base_url=url_of(service)) as web:
            moving = picture(web, f"/api/v1/jobs/{job}/preview?kind=animation")
            assert Image.open(io.BytesIO(moving)).n_frames > 10  # type: ignore[attr-defined]
