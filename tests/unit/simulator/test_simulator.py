"""The simulator as a whole: its lives, its faults from outside, and the node pack."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from PIL import Image

from reconciler.errors import ServerAnswer, ServerError, SettingsError
from reconciler.simulator import Ending, Outcome, Saver, Simulator, render_graph
from tests.contract.talk import DEADLINE_S, Server, images_graph, wait_until


def workers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "(prompt_worker)" in thread.name}


#: Workers of simulators that other tests of this process keep running.
others: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def only_ours() -> None:
    others.clear()
    others.update(workers())


def worker_count() -> int:
    return len(workers() - others)


def is_refused(server: Server) -> bool:
    try:
        requests.get(f"{server.url}/prompt", timeout=DEADLINE_S)
    except requests.ConnectionError as error:
        return "refused" in str(error)
    return False


def test_a_crash_loses_queue_and_history_and_refuses_until_the_restart(
    simulator: Simulator, server: Server
) -> None:
    done = simulator.submit(render_graph(frames=1))
    simulator.wait_until_ended(done)
    running = simulator.submit(render_graph(Outcome.HANG, frames=1))
    server.wait_until_running(running)
    pending = simulator.submit(render_graph())
    simulator.crash(restart_after_s=0.5)
    assert is_refused(server)
    with pytest.raises(ServerError, match="wait for its restart"):
        simulator.kill_worker()
    wait_until(lambda: not is_refused(server), "the restart")
    assert server.queue() == ([], [])
    assert server.json("/history") == {}
    endings = {entry.prompt_id: entry.ending for entry in simulator.truth()}
    assert endings == {done: Ending.SUCCESS, running: Ending.LOST, pending: Ending.LOST}
    after = simulator.submit(render_graph(frames=1))
    assert simulator.wait_until_ended(after).ending is Ending.SUCCESS
    assert server.wait_for_end(after)["prompt"][0] == 0, "the numbers start anew"


def test_a_crash_breaks_off_websockets_and_requests(simulator: Simulator, server: Server) -> None:
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=DEADLINE_S) as asking, server.listen() as client:
        simulator.delay_answers(30)
        asking.sendall(b"GET /queue HTTP/1.1\r\nHost: simulator\r\n\r\n")
        simulator.crash(restart_after_s=60)
        assert hears_nothing(asking)
        wait_until(lambda: client.ended, "the end of the websocket")


def hears_nothing(connection: socket.socket) -> bool:
    """True if the connection ends without an answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_second_crash_while_it_is_down_and_a_stop_while_it_is_down(tmp_path: Path) -> None:
    with Simulator(tmp_path, pack=False) as simulator:
        simulator.crash(restart_after_s=60)
        simulator.crash(restart_after_s=60)
        url = simulator.url
    assert is_refused(Server(url, "", frozenset()))
    assert worker_count() == 0


def test_killing_the_worker_from_outside(simulator: Simulator, server: Server) -> None:
    running = simulator.submit(render_graph(Outcome.ENDLESS))
    server.wait_until_running(running)
    assert worker_count() == 1
    simulator.kill_worker()
    assert simulator.wait_until_ended(running).ending is Ending.WORKER_DEAD
    wait_until(lambda: worker_count() == 0, "the end of the worker")
    assert [item[1] for item in server.queue()[0]] == [running]


def test_an_idle_worker_can_be_killed_too(simulator: Simulator, server: Server) -> None:
    simulator.kill_worker()
    wait_until(lambda: worker_count() == 0, "the end of the worker")
    waiting = simulator.submit(render_graph())
    assert [item[1] for item in server.queue()[1]] == [waiting]


def test_null_for_extra_data_kills_the_worker_of_the_old_version_only(tmp_path: Path) -> None:
    body = {"prompt": images_graph("x"), "extra_data": None}
    with Simulator(tmp_path, version="0.3.64", pack=False) as simulator:
        answer = requests.post(f"{simulator.url}/prompt", json=body, timeout=DEADLINE_S)
        entry = simulator.wait_until_ended(answer.json()["prompt_id"])
        assert entry.ending is Ending.WORKER_DEAD
    with Simulator(tmp_path, version="0.33.0", pack=False) as simulator:
        answer = requests.post(f"{simulator.url}/prompt", json=body, timeout=DEADLINE_S)
        assert answer.status_code == 500
        assert worker_count() == 1


def test_a_stolen_socket_hears_nothing_more(simulator: Simulator, server: Server) -> None:
    with server.listen("victim") as victim, server.listen("witness") as witness:
        simulator.steal_socket("victim")
        heard = len(victim.events)
        witness.wait_for_end(simulator.submit(render_graph(frames=1), client_id="witness"))
        assert len(victim.events) == heard


def test_sockets_frozen_from_outside(simulator: Simulator, server: Server) -> None:
    with server.listen() as frozen:
        simulator.freeze_sockets()
        heard = len(frozen.events)
        with server.listen("witness") as witness:
            witness.wait_for_end(simulator.submit(render_graph(frames=1), client_id="witness"))
        assert len(frozen.events) == heard


def test_delayed_answers_come_late_and_the_truth_at_once(
    simulator: Simulator, server: Server
) -> None:
    simulator.delay_answers(30)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{server.url}/queue", timeout=0.2)
    assert server.json("/simulator/truth") == []
    simulator.delay_answers(0)
    assert server.queue() == ([], [])


def test_the_truth_over_http_is_not_the_history(simulator: Simulator, server: Server) -> None:
    prompt_id = simulator.submit(render_graph(frames=2))
    entry = simulator.wait_until_ended(prompt_id)
    server.wait_for_end(prompt_id)
    server.post("/history", {"clear": True})
    [told] = server.json("/simulator/truth")
    assert told["prompt_id"] == prompt_id
    assert (told["outcome"], told["ending"]) == ("success", "success")
    assert told["files"] == list(entry.files)
    assert told["ended_at"] == entry.ended_at


def test_a_removed_prompt_is_known_to_the_truth_only(simulator: Simulator, server: Server) -> None:
    running = simulator.submit(render_graph(Outcome.ENDLESS))
    server.wait_until_running(running)
    deleted, cleared = (simulator.submit(render_graph(seed=each)) for each in (1, 2))
    server.post("/queue", {"delete": [deleted]})
    server.post("/queue", {"clear": True})
    for prompt_id in (deleted, cleared):
        entry = simulator.wait_until_ended(prompt_id)
        assert (entry.ending, entry.started_at) == (Ending.REMOVED, None)
        assert server.history(prompt_id) is None


def test_several_run_in_one_process(tmp_path: Path) -> None:
    with (
        Simulator(tmp_path / "a", pack=False) as first,
        Simulator(tmp_path / "b", version="0.3.64", pack=False) as second,
    ):
        assert first.url != second.url
        for simulator in (first, second):
            entry = simulator.wait_until_ended(simulator.submit(render_graph(frames=1)))
            assert entry.main_file is not None
            assert Path(entry.main_file).is_relative_to(simulator.output_dir)


def test_a_port_in_use_is_told(simulator: Simulator, tmp_path: Path) -> None:
    port = int(simulator.url.rpartition(":")[2])
    second = Simulator(tmp_path, port=port)
    with pytest.raises(ServerError, match=f"{port}.*choose another port"):
        second.start()


def test_an_unknown_version_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'0\.4'.*0\.3\.64 or 0\.33\.0"):
        Simulator(tmp_path, version="0.4")


def test_a_refused_prompt_is_told(simulator: Simulator) -> None:
    with pytest.raises(ServerAnswer, match="NoSuchNode"):
        simulator.submit({"1": {"class_type": "NoSuchNode", "inputs": {}}})
    assert simulator.truth() == []


def test_submit_hands_everything_on(simulator: Simulator, server: Server) -> None:
    given = "00000000-0000-4000-8000-000000000001"
    graph = render_graph(frames=1)
    simulator.submit(graph, job_id=42, client_id="me", prompt_id=given, number=-3.5)
    number, prompt_id, _, extra_data, _ = server.wait_for_end(given)["prompt"]
    assert (number, prompt_id) == (-3.5, given)
    extra_data.pop("create_time")
    assert extra_data == {"job_id": 42, "extra_pnginfo": {"job_id": "42"}, "client_id": "me"}


def test_with_the_pack_the_tag_is_in_the_file(tmp_path: Path) -> None:
    """An application that only names its job in `extra_data` finds it in the file."""
    with Simulator(tmp_path, pack=True) as simulator:
        graph = render_graph(saver=Saver.SAVE_IMAGE, frames=1)
        body = {"prompt": graph, "extra_data": {"job_id": 42}}
        answer = requests.post(f"{simulator.url}/prompt", json=body, timeout=DEADLINE_S)
        entry = simulator.wait_until_ended(answer.json()["prompt_id"])
    assert entry.main_file is not None
    with Image.open(entry.main_file) as picture:
        assert picture.info["job_id"] == '"42"'
        assert json.loads(picture.info["prompt_id"]) == entry.prompt_id


@contextlib.contextmanager
def served(output_dir: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`serve` in a process of its own, and its URL."""
    code = (
        "from pathlib import Path; from reconciler.simulator import serve;"
        f"serve(output_dir=Path({str(output_dir)!r}), host='127.0.0.1', port=0,"
        "version='0.33.0', pack=False, speed=1.0)"
    )
    environment = {**os.environ, "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield process, next(word for word in line.split() if word.startswith("url="))[4:]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_tells_its_url_and_stops_cleanly(tmp_path: Path, number: int) -> None:
    with served(tmp_path) as (process, url):
        server = Server(url, "0.33.0", frozenset())
        server.submit(render_graph(Outcome.HANG, frames=1))
        with server.listen() as client:
            process.send_signal(number)
            assert process.wait(DEADLINE_S) == 0
            wait_until(lambda: client.ended, "the goodbye")
        assert is_refused(server)


def test_connections_that_are_being_accepted_at_a_crash_are_closed(tmp_path: Path) -> None:
    """Else they warn of themselves when they are collected, in whatever test comes next."""
    for _ in range(5):
        with Simulator(tmp_path) as simulator:
            address = ("127.0.0.1", int(simulator.url.rpartition(":")[2]))
            crash = threading.Thread(target=simulator.crash, args=(DEADLINE_S,))
            crash.start()
            with contextlib.suppress(ConnectionError):
                while True:
                    socket.create_connection(address, timeout=DEADLINE_S).close()
            crash.join()
    gc.collect()
