"""What samplers show, from a simulated ComfyUI to whoever looks, and only while somebody does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from reconciler.previews import sampling as module
from reconciler.previews.refusals import NoPreview
from reconciler.previews.sampling import Sampling
from reconciler.settings import Settings
from reconciler.settings.previews import PreviewSettings
from reconciler.settings.sections import ComfySettings
from reconciler.settings.server import ServerSettings
from reconciler.simulator import Simulator
from reconciler.simulator.truth import TruthEntry
from tests.integration.previewing import IMAGE, Gallery
from tests.waiting import wait_for

GRAPH = {
    "1": {
        "class_type": "SlowPreviews",
        "inputs": {"frames": 2000, "width": 64, "height": 64, "step_seconds": 0.02},
    },
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A server with the node pack, on which a prompt runs that shows pictures."""
    with Simulator(tmp_path_factory.mktemp("output"), pack=True) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.05)
    monkeypatch.setattr(module, "LOOKS_S", 0.3)


def settings_for(url: str, **previews: bool) -> Settings:
    return Settings(
        servers=(ServerSettings(url=url, name="gpu", output_dir=Path("/nowhere")),),
        comfyui=ComfySettings(timeout_s=2.0, connect_timeout_s=1.0),
        previews=PreviewSettings(**previews),
    )


@pytest.fixture
def prompt_id(packed: Simulator) -> Iterator[str]:
    """A prompt that runs, and shows pictures."""
    prompt_id = packed.submit(GRAPH)

    def entry() -> TruthEntry:
        return next(each for each in packed.truth() if each.prompt_id == prompt_id)

    wait_for(lambda: entry().started_at, "its start")
    yield prompt_id
    requests.post(f"{packed.url}/interrupt", json={}, timeout=10)
    wait_for(lambda: entry().ended_at, "its end")


def looked(sampling: Sampling, prompt_id: str) -> bytes:
    """The picture, once one was fetched."""

    def look() -> bytes | None:
        try:
            return sampling.ask("gpu", prompt_id)
        except NoPreview:  # the prompt has begun, and shown nothing yet
            return None

    picture = wait_for(look, "a picture")
    assert picture is not None
    return picture


def refused(sampling: Sampling, prompt_id: str) -> str:
    """Why there is none, once that is known."""

    def look() -> str | None:
        try:
            sampling.ask("gpu", prompt_id)
        except NoPreview as error:
            return str(error)
        return None

    reason = wait_for(look, "a refusal")
    assert reason is not None
    return reason


def lookers() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("sampling ")]


def test_the_newest_picture_and_the_end_of_looking(packed: Simulator, prompt_id: str) -> None:
    with closing(Sampling(settings_for(packed.url))) as sampling:
        assert lookers() == []
        first = looked(sampling, prompt_id)
        assert first.startswith(b"\xff\xd8\xff")
        wait_for(lambda: looked(sampling, prompt_id) != first, "another picture")
        assert lookers() == ["sampling gpu"]
        wait_for(lambda: not lookers(), "nobody looks any more")
        assert looked(sampling, prompt_id), "and it begins again"
    assert lookers() == []


def test_many_prompts_that_somebody_asks_for_are_few(packed: Simulator) -> None:
    with closing(Sampling(settings_for(packed.url))) as sampling:
        for number in range(100):
            sampling.ask("gpu", f"prompt-{number}")
        assert len(sampling._watched["gpu"]) <= module.MOST_WATCHED
        assert "previews are off" in refused(sampling, "prompt-99")


def test_why_there_is_none(packed: Simulator, tmp_path: Path) -> None:
    with closing(Sampling(settings_for(packed.url))) as sampling:
        assert "--preview-method" in refused(sampling, "unknown")
        with pytest.raises(NoPreview, match="another agent"):
            sampling.ask("elsewhere", "p1")
    with (
        Simulator(tmp_path, pack=False) as plain,
        closing(Sampling(settings_for(plain.url))) as sampling,
    ):
        assert "no node pack" in refused(sampling, "p1")
    with closing(Sampling(settings_for("http://127.0.0.1:1"))) as sampling:
        assert "does not answer" in refused(sampling, "p1")
    with closing(Sampling(settings_for(packed.url, live=False))) as sampling:
        assert "switched off" in refused(sampling, "p1")


def test_closing_waits_for_no_server_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = settings_for(address)
        settings = settings.model_copy(update={"comfyui": ComfySettings(timeout_s=60.0)})
        sampling = Sampling(settings)
        sampling.ask("gpu", "p1")
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)
            sampling.close()
            assert lookers() == []


def test_over_http_from_the_agent_alone(
    database: str, tmp_path: Path, packed: Simulator, prompt_id: str
) -> None:
    with Gallery(database, tmp_path) as shows:
        with shows.store.connection.writing() as cursor:
            cursor.execute(
                "insert into production_jobs (status, comfyui_job_id) values ('processing', %s)"
                " returning id::text as id",
                (prompt_id,),
            )
            job = cursor.fetchall()[0]["id"]
            cursor.execute(
                "insert into reconciler.job_state (job_id, known_status, server)"
                " values (%s, 'processing', 'gpu')",
                (job,),
            )
        alone = shows.web.get(f"/api/v1/jobs/{job}/preview?kind=live")
        assert alone.status_code == 404
        assert "the agent that watches the server" in alone.json()["detail"]
        with closing(Sampling(settings_for(packed.url))) as sampling:
            shows.app.state.context = replace(shows.context, sampling=sampling)
            first = shows.web.get(f"/api/v1/jobs/{job}/preview?kind=live", headers=IMAGE)
            assert first.status_code in (200, 202)

            def seen() -> bool:
                answer = shows.web.get(f"/api/v1/jobs/{job}/preview?kind=live")
                return answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"

            wait_for(seen, "the picture")
            answer = shows.web.get(f"/api/v1/jobs/{job}/preview?kind=live")
            assert answer.headers["cache-control"] == "no-store"
