"""The commands that do something: the real console script, and signals to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
import requests

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from reconciler.store.embedded import url_if_running
from tests.integration.commands import fits, joined, reconciler, start
from tests.integration.running import Rows
from tests.waiting import wait_for

#: A port of the loopback where nothing listens.
NOBODY = "http://127.0.0.1:1"


@contextmanager
def service(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """`reconciler run`, once it watches. Lines of its log are JSON: it has no terminal."""
    process = start("run", *arguments)
    assert process.stderr is not None
    with process:
        try:
            for line in process.stderr:
                if json.loads(line)["event"] == "watching":
                    break
            yield process
        finally:
            process.kill()


def is_pending(process: subprocess.Popen[str], number: int) -> bool:
    """True while a signal waits to be delivered to the process (see proc_pid_status(5))."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    waiting = next(line for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(waiting.split()[1], 16) >> (number - 1) & 1)


def test_run_logs_json_and_stops_when_told(database: str, tmp_path: Path) -> None:
    arguments = ("--server", NOBODY, "--output-dir", tmp_path, "--database", database)
    with service(*arguments) as process:
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20.0)
        took_s = time.monotonic() - asked
    assert process.returncode == 0
    assert out == ""
    assert [json.loads(line)["event"] for line in err.splitlines()][-1] == "stopped"
    assert took_s < 5.0  # the promise itself


def test_run_starts_and_stops_the_embedded_database(new_data_dir: Path, tmp_path: Path) -> None:
    arguments = ("--server", NOBODY, "--output-dir", tmp_path, "--data-dir", new_data_dir)
    with service(*arguments) as process:
        url = reconciler("db", "url", "--data-dir", new_data_dir).stdout.strip()
        password = url.split(":")[2].split("@")[0]
        assert Rows(url).exists()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20.0)
    assert process.returncode == 0
    assert password not in err
    assert url_if_running(new_data_dir) is None


def test_run_stops_while_a_server_keeps_it_waiting(database: str, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=8)) as silent:
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        arguments = ("--server", server, "--output-dir", tmp_path, "--database", database)
        with service(*arguments) as process:
            silent.accept()[0].close()
            asked = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20.0)
            took_s = time.monotonic() - asked
    assert process.returncode == 0
    assert took_s < 5.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(database: str, tmp_path: Path, number: int) -> None:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=8)) as silent:
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        arguments = ("--server", server, "--output-dir", tmp_path, "--database", database)
        with service(*arguments) as process:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                process.send_signal(signal.SIGTERM)
                # Of two that wait the kernel delivers the lower number first.
                wait_for(lambda: not is_pending(process, signal.SIGTERM), "it was delivered")
                # Signals of one kind merge until they are heard: again until it ends.
                wait_for(
                    lambda: process.send_signal(number) or process.poll() is not None, "its end"
                )
    assert process.returncode == 128 + number


def test_run_without_a_database_says_so(tmp_path: Path) -> None:
    url = "postgresql://me:secret@127.0.0.1:1/nowhere"
    done = reconciler("run", "--server", NOBODY, "--output-dir", tmp_path, "--database", url)
    assert done.returncode == 3
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["level"] == "error"
    assert "Connection refused" in last["error"]
    assert "secret" not in done.stderr


def test_run_and_once_without_a_server_start_no_database(new_data_dir: Path) -> None:
    for command in ("run", "once"):
        done = reconciler(command, "--data-dir", new_data_dir)
        assert done.returncode == 3
        assert "no ComfyUI server is named" in done.stderr
    assert not new_data_dir.exists()


def test_an_output_directory_needs_its_server(tmp_path: Path) -> None:
    done = reconciler("run", "--output-dir", tmp_path)
    assert done.returncode == 2
    assert "give --server URL too" in joined(done.stderr)


def test_once_sets_right_what_is_wrong_and_says_so(database: str, tmp_path: Path) -> None:
    rows = Rows(database)
    with Simulator(tmp_path / "output", speed=20.0) as gpu:
        flags = ("--server", gpu.url, "--output-dir", gpu.output_dir, "--database", database)
        assert "0 jobs looked at" in reconciler("once", *flags).stderr
        jobs = {
            outcome: gpu.submit(render_graph(outcome, frames=3, width=32, height=32, seed=seed))
            for seed, outcome in enumerate((Outcome.SUCCESS, Outcome.ERROR))
        }
        ids = {o: rows.insert(comfyui_job_id=prompt) for o, prompt in jobs.items()}
        for prompt in jobs.values():
            gpu.wait_until_ended(prompt)
        one = reconciler("once", ids[Outcome.ERROR], *flags)
        assert one.returncode == 0
        assert "queued → failed  execution_error: node 1" in one.stdout
        assert rows.row(ids[Outcome.SUCCESS])["status"] == "queued"
        rest = reconciler("once", *flags)
        assert f"{ids[Outcome.SUCCESS]}  queued → completed" in rest.stdout
        assert "1 job looked at, 1 row set" in rest.stderr
        assert fits(one.stdout + rest.stdout)
        assert rows.row(ids[Outcome.SUCCESS])["status"] == "completed"
        again = reconciler("once", ids[Outcome.SUCCESS], *flags)
        assert again.stdout == f"{ids[Outcome.SUCCESS]} completed: nothing to do\n"
        assert reconciler("once", "999", *flags).returncode == 2


def test_once_says_which_server_does_not_answer(database: str, tmp_path: Path) -> None:
    flags = ("--server", NOBODY, "--output-dir", tmp_path, "--database", database)
    reconciler("once", *flags)
    job = Rows(database).insert(comfyui_job_id="prompt-1")
    done = reconciler("once", *flags)
    assert done.returncode == 0
    assert "127.0.0.1:1 has not answered for" in done.stderr
    assert done.stdout.splitlines()[1].startswith(f"  {job}  queued  the server does not answer")


def test_simulate_answers_until_it_is_told_to_stop(tmp_path: Path) -> None:
    process = start("simulate", "--output-dir", tmp_path, "--port", "0")
    assert process.stderr is not None
    with process:
        said = map(json.loads, process.stderr)  # the node pack in it speaks first
        url = next(line["url"] for line in said if "url" in line)
        assert requests.get(f"{url}/prompt", timeout=5.0).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20.0) == 0


def test_simulate_without_its_extra_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "aiohttp.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'aiohttp'\", name='aiohttp')"
    )
    done = reconciler("simulate", "--output-dir", tmp_path, PYTHONPATH=os.fspath(tmp_path))
    assert done.returncode == 3
    assert "pip install 'comfyui-reconciler[simulator]'" in done.stderr


def test_config_shows_everything_but_secrets(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "servers: [{url: 'http://gpu:8188', token: s3cret}]\n"
        "database: {url: 'postgresql://me:s3cret@db/jobs'}\n"
    )
    before = reconciler("--config", file, "config", "show")
    after = reconciler("config", "show", "--config", file, RECONCILER_STALL__NO_PROGRESS_S="77")
    assert before.returncode == after.returncode == 0
    assert before.stdout.startswith(f"# From file {file}")
    assert "RECONCILER_STALL__NO_PROGRESS_S" in after.stdout.splitlines()[0]
    assert "no_progress_s: 77.0" in after.stdout
    assert "no_progress_s: 900.0" in before.stdout
    assert "s3cret" not in before.stdout + after.stdout


def test_config_check_names_the_mistake(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("stall:\n  no_progres_s: 5\n")
    wrong = reconciler("config", "check", "--config", file)
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert "mine.yaml, line 2" in joined(wrong.stderr)
    assert "no_progress_s" in wrong.stderr
    file.write_text("stall:\n  no_progress_s: 5\n")
    assert reconciler("config", "check", "--config", file).returncode == 0
    assert reconciler("--config", tmp_path / "none", "config", "check").returncode == 3


def test_db_url_starts_the_database_only_if_asked(data_dir: Path) -> None:
    where = ("--data-dir", data_dir)
    for command in (("db", "url"), ("status",), ("explain", "1"), ("watch", "1")):
        done = reconciler(*command, *where)
        assert (done.returncode, done.stdout) == (3, "")
        assert "reconciler db url --start" in joined(done.stderr)
    assert url_if_running(data_dir) is None
    started = reconciler("db", "url", "--start", *where)
    assert started.returncode == 0
    assert Rows(started.stdout.strip()).sql("select 1 as one") == [{"one": 1}]
    assert reconciler("db", "url", *where).stdout == started.stdout
    assert reconciler("db", "stop", *where).returncode == 0
    assert url_if_running(data_dir) is None


def test_db_stop_spares_who_is_connected(data_dir: Path) -> None:
    url = reconciler("db", "url", "--start", "--data-dir", data_dir).stdout.strip()
    with closing(psycopg2.connect(url)):
        refused = reconciler("db", "stop", "--data-dir", data_dir)
        assert refused.returncode == 3
        assert "is in use" in joined(refused.stderr)
        assert reconciler("db", "stop", "--force", "--data-dir", data_dir).returncode == 0
    assert url_if_running(data_dir) is None
