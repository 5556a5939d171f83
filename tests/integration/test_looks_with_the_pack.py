"""Client and service against ComfyUIs with the real node pack, as the simulator runs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.client import ComfyClient
from reconciler.comfyui.values import EndedNote, Look
from reconciler.core.evidence import EndKind
from reconciler.errors import ServerError
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.integration.commands import reconciler
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for

VERSIONS = ["0.3.64", "0.33.0"]


@pytest.fixture(params=VERSIONS)
def gpu(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output", version=request.param) as simulator:
        yield simulator


@pytest.fixture
def client(gpu: Simulator) -> Iterator[ComfyClient]:
    with closing(ComfyClient(ServerAddress("gpu", gpu.url))) as opened:
        yield opened


def submit(gpu: Simulator, seed: int, *, seconds: float = 0.0, **more: Any) -> str:
    graph = render_graph(frames=2, width=32, height=32, seconds=seconds, seed=seed)
    return gpu.submit(graph, **more)


def look_until_running(client: ComfyClient) -> Look:
    looks: list[Look] = []

    def runs() -> bool:
        looks.append(client.look())
        return any(state.sign_age_s is not None for state in looks[-1].states.values())

    wait_for(runs, "it runs")
    return looks[-1]


def test_a_look_tells_who_is_there_and_how_far(gpu: Simulator, client: ComfyClient) -> None:
    first = submit(gpu, 1, seconds=20.0, job_id="41", client_id="app")
    second = submit(gpu, 2, job_id=42)
    look = look_until_running(client)
    (running,), (pending,) = look.running, look.pending
    assert (running.prompt_id, running.job_id, running.client_id) == (first, "41", "app")
    assert (pending.prompt_id, pending.job_id, pending.output_nodes) == (second, "42", 1)
    assert running.graph_nodes == pending.graph_nodes == 1
    assert look.worker_alive is True
    state = look.states[first]
    assert state.age_s is not None
    assert 0.0 <= state.age_s < 20.0
    client.remove_pending(second)
    client.interrupt(first)
    gpu.wait_until_ended(first)
    ended = [(note.prompt_id, note.kind) for note in until_ended(client, 2)]
    assert ended == [(second, EndKind.REMOVED), (first, EndKind.INTERRUPTED)]


def until_ended(client: ComfyClient, number: int) -> list[EndedNote]:
    """The next ends that looks tell of; each once."""
    notes: list[EndedNote] = []

    def told() -> bool:
        notes.extend(client.look().ended)
        return len(notes) >= number

    wait_for(told, f"{number} ends are told")
    return notes


def test_each_end_is_told_once(gpu: Simulator, client: ComfyClient) -> None:
    for seed in range(3):
        gpu.wait_until_ended(submit(gpu, seed, job_id=seed))
    assert [note.job_id for note in until_ended(client, 3)] == ["0", "1", "2"]
    assert client.look().ended == ()
    with closing(ComfyClient(client.address)) as other:
        assert len(other.look().ended) == 3, "a reconciler that was restarted is told again"


def test_a_dead_worker_is_told(gpu: Simulator, client: ComfyClient) -> None:
    first, second = submit(gpu, 1, seconds=20.0), submit(gpu, 2)
    look_until_running(client)
    gpu.kill_worker()
    wait_for(lambda: client.look().worker_alive is False, "its worker is dead")
    look = client.look()
    assert [prompt.prompt_id for prompt in look.running] == [first]
    assert [prompt.prompt_id for prompt in look.pending] == [second]


def test_a_restart_is_another_life(gpu: Simulator, client: ComfyClient) -> None:
    before = client.look()
    submit(gpu, 1, seconds=20.0)
    gpu.crash(restart_after_s=0.2)

    def answers() -> bool:
        try:
            return client.look().boot_id not in (None, before.boot_id)
        except ServerError:
            return False

    wait_for(answers, "another life answers")
    look = client.look()
    assert (list(look), look.ended, look.complete) == ([], (), True)


@pytest.mark.parametrize("version", VERSIONS)
def test_with_and_without_the_pack_the_same_prompts_are_seen(version: str, tmp_path: Path) -> None:
    seen = []
    for pack in (True, False):
        with (
            Simulator(tmp_path / f"output-{pack}", version=version, pack=pack) as gpu,
            closing(ComfyClient(ServerAddress("gpu", gpu.url))) as client,
        ):
            ids = [f"{n}1111111-1111-4111-8111-111111111111" for n in range(4)]
            numbers = {ids[0]: 1.0, ids[1]: 9.0, ids[2]: -3.0, ids[3]: 9.0}
            for prompt_id, number in numbers.items():
                graph = render_graph(seconds=30.0, seed=int(prompt_id[0]))
                extra = {"job_id": prompt_id[0], "client_id": "app"}
                body = {"prompt": graph, "prompt_id": prompt_id, "number": number}
                told = requests.post(
                    f"{gpu.url}/prompt", json=body | {"extra_data": extra}, timeout=10
                )
                assert told.ok, told.text
                if prompt_id == ids[0]:
                    wait_for(lambda: client.look().running, "the first one runs")
            look = client.look()
            assert (look.boot_id is not None) is pack
            seen.append(
                [
                    (p.prompt_id, p.number, p.job_id, p.client_id, p.output_nodes, p.graph_nodes)
                    for p in look
                ]
            )
    assert seen[0] == seen[1]


@pytest.fixture
def rows(database: str) -> Rows:
    return Rows(database)


@pytest.mark.parametrize("deaf", [False, True])
def test_anybodys_progress_reaches_the_row(
    rows: Rows, gpu: Simulator, tmp_path: Path, deaf: bool
) -> None:
    config = {"comfyui": {"socket": not deaf, "timeout_s": 2.0}}
    with running(write_config(tmp_path, rows.url, gpu, **config)):
        graph = render_graph(frames=12, width=64, height=64, seconds=4.0)
        job = rows.insert(comfyui_job_id=gpu.submit(graph, client_id="app"))
        wait_for(lambda: 0 < rows.row(job)["progress"] < 100, "progress in the row")
        rows.wait(job, "completed")


def test_a_dead_worker_is_in_the_rows_and_in_status(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    config = write_config(tmp_path, rows.url, gpu)
    with running(config):
        graph = render_graph(frames=2, width=32, height=32, seconds=60.0)
        first = rows.insert(comfyui_job_id=gpu.submit(graph))
        second = rows.insert(comfyui_job_id=submit(gpu, 2))
        rows.wait(first, "processing")
        gpu.kill_worker()
        rows.wait(first, "failed", "worker_dead")
        reason = "select reason from reconciler.job_state where job_id = %s and rule = 'blocked'"
        (told,) = wait_for(lambda: rows.sql(reason, second), "the second says why it waits")
        assert "its worker thread is dead" in told["reason"]
        shown = reconciler("status", "--config", str(config))
        assert "is unhealthy: it answers, but its worker thread" in " ".join(shown.stdout.split())
        told_all = reconciler("explain", second, "--config", str(config))
        assert "its worker thread is dead" in " ".join(told_all.stdout.split())
        gpu.crash(restart_after_s=0.5)
        rows.wait(second, "failed", "lost")
