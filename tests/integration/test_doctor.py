"""Doctor against servers that are well, ill, or no ComfyUI, and the command itself."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from comfy_node.contract import TAG_NODE
from reconciler.doctor import examine as examine_module
from reconciler.doctor.examine import examine
from reconciler.doctor.finding import Finding, Level
from reconciler.doctor.server import check_server, check_websocket
from reconciler.settings import Settings, load
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.integration.commands import WIDTH, reconciler
from tests.unit.comfyui.tcp import Visit, deaf_port, serving
from tests.unit.comfyui.wsserver import Guest, listening
from tests.unit.doctor.nobody import as_nobody

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests/recordings/comfyui-0.3.64/system_stats.json"


def settings(url: str, output_dir: Path | None = None, **more: Any) -> Settings:
    """Settings for one server, impatient ones."""
    server = {"name": "gpu1", "url": url, **more.pop("server", {})}
    if output_dir is not None:
        server["output_dir"] = output_dir
    comfyui = {"timeout_s": 1.0, "connect_timeout_s": 0.5, **more.pop("comfyui", {})}
    flags = {"servers": [server], "comfyui": comfyui, **more}
    return load(config=Path("/dev/null"), flags=flags, environ={"HOME": "/nonexistent"})


def server_findings(url: str, **more: Any) -> dict[str, Finding]:
    given = settings(url, **more)
    return {each.what: each for each in check_server(given, given.servers[0])}


def websocket(url: str, **more: Any) -> Finding:
    given = settings(url, **more)
    (finding,) = check_websocket(given, given.servers[0])
    return finding


@contextmanager
def web_server(answers: Mapping[str, tuple[int, str]]) -> Iterator[str]:
    """An HTTP server with fixed answers: path → status and body; 404 for anything else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(urlsplit(self.path).path, (404, "404: Not Found"))
            content = body.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def stats(version: str | None = "0.33.0") -> tuple[int, str]:
    return 200, json.dumps({"system": {"comfyui_version": version, "os": "posix"}, "devices": []})


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output") as simulator:
        yield simulator


def saved(gpu: Simulator) -> Path:
    """A file that a prompt saved, once history lists it."""
    entry = gpu.wait_until_ended(gpu.submit(render_graph(frames=3, width=32, height=32)))
    assert entry.main_file is not None
    return Path(entry.main_file)


# Servers


def test_a_server_that_is_well(gpu: Simulator) -> None:
    found = server_findings(gpu.url)
    assert found["gpu1, ComfyUI"].level is Level.OK
    assert "version 0.33.0" in found["gpu1, ComfyUI"].detail
    assert "/api/jobs is there" in found["gpu1, queue"].detail


def test_an_older_version_without_the_short_list(tmp_path: Path) -> None:
    with Simulator(tmp_path / "output", version="0.3.64") as gpu:
        found = server_findings(gpu.url)
    assert found["gpu1, queue"].level is Level.OK
    assert "no /api/jobs in this version" in found["gpu1, queue"].detail


def test_a_recorded_answer_is_read() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    with web_server({"/system_stats": (200, json.dumps(recorded))}) as url:
        finding = server_findings(url)["gpu1, ComfyUI"]
    assert finding.level is Level.OK
    assert "version 0.3.64" in finding.detail


@pytest.mark.parametrize(("version", "words"), [("0.2.7", "older than any"), (None, "not tell")])
def test_versions_that_nobody_tried(version: str | None, words: str) -> None:
    with web_server({"/system_stats": stats(version)}) as url:
        finding = server_findings(url)["gpu1, ComfyUI"]
    assert finding.level is Level.WARNING
    assert words in finding.detail
    assert finding.advice.startswith("update ComfyUI")


def test_routes_that_fail_are_told_apart_from_routes_that_are_not_there() -> None:
    broken = {"/system_stats": stats(), "/api/jobs": (500, "boom")}
    with web_server({**broken, f"/object_info/{TAG_NODE}": (500, "boom")}) as url:
        found = server_findings(url)
    assert found["gpu1, queue"].level is Level.WARNING
    assert "the log of ComfyUI says why" in found["gpu1, queue"].advice
    assert found["gpu1, node pack"].detail.startswith("not known: ")


def ill(url: str, **more: Any) -> Finding:
    (finding,) = server_findings(url, **more).values()
    assert finding.level is Level.FAILED
    return finding


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    finding = ill(f"http://127.0.0.1:{port}")
    assert "Connection refused" in finding.detail
    assert finding.advice.startswith("start ComfyUI, or correct the server's url")
    assert "--listen" in finding.advice


def test_it_listens_and_does_not_answer() -> None:
    with serving(Visit.say_nothing) as silent:
        finding = ill(silent.url)
    assert "did not answer GET /system_stats within 1 s" in finding.detail
    assert finding.advice.startswith("try again when it is idle")


def test_nothing_comes_back_at_all() -> None:
    with deaf_port() as port:
        finding = ill(f"http://127.0.0.1:{port}")
    assert finding.advice.endswith("check host, port and firewall")


def test_a_web_page_where_comfyui_should_be() -> None:
    page = "<!DOCTYPE html><title>\x1b[2JLog in</title>"
    with web_server({"/system_stats": (200, page)}) as url:
        finding = ill(url)
    assert "something else than JSON: '<!DOCTYPE html>" in finding.detail
    assert finding.detail.isprintable()
    assert finding.advice.startswith(f"{url}/system_stats must show JSON with comfyui_version")


def test_another_program_without_that_route() -> None:
    with web_server({}) as url:
        finding = ill(url)
    assert "status 404" in finding.detail
    assert finding.advice.startswith("something else answers there, or a proxy adds a path")


def test_a_proxy_that_wants_a_token() -> None:
    with web_server({"/system_stats": (401, "who are you?")}) as url:
        finding = ill(url, server={"token": "wrong-token"})
    assert "status 401" in finding.detail
    assert "token or headers" in finding.advice
    assert "wrong-token" not in str(finding)


def test_a_certificate_of_an_unknown_authority() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(Visit.say_nothing, tls=context) as server:
        finding = ill(f"https://127.0.0.1:{server.port}")
    assert "tls_ca" in finding.advice


def test_a_websocket_that_is_well(gpu: Simulator) -> None:
    assert websocket(gpu.url).level is Level.OK


def test_a_websocket_that_is_switched_off(gpu: Simulator) -> None:
    finding = websocket(gpu.url, comfyui={"socket": False})
    assert finding.level is Level.OK
    assert "switched off" in finding.detail


def test_a_proxy_that_does_not_pass_websockets_on() -> None:
    with web_server({"/ws": (200, "hello")}) as url:
        finding = websocket(url)
    assert finding.level is Level.WARNING
    assert "Upgrade" in finding.advice


def test_a_websocket_that_stays_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.doctor.server.STATUS_S", 0.3)
    with serving(Visit.say_nothing) as silent:
        assert websocket(silent.url).level is Level.WARNING


def test_a_websocket_that_is_not_comfyuis() -> None:
    async def chatter(guest: Guest) -> None:
        await guest.ws.send_bytes(b"a picture")
        await guest.ws.send_str("hello \x1b[2J")
        await guest.stay()

    with listening(chatter) as server:
        finding = websocket(server.url)
    assert server.guests[0].client_id.startswith("reconciler-doctor-")
    assert finding.level is Level.WARNING
    assert "what it says is not ComfyUI's" in finding.detail


def test_a_websocket_of_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    finding = websocket(f"http://127.0.0.1:{port}")
    assert finding.advice == "first let the server answer, then run doctor again"


# The whole examination


def everything(given: Settings) -> dict[str, Finding]:
    return {each.what: each for each in examine(given)}


def test_all_is_well(gpu: Simulator, database: str) -> None:
    name = saved(gpu).relative_to(gpu.output_dir)
    findings = list(examine(settings(gpu.url, gpu.output_dir, database={"url": database})))
    assert [each for each in findings if each.level is Level.FAILED] == []
    proof = next(each for each in findings if each.what == "gpu1, ComfyUI's files")
    assert proof.detail == f"proven: {name} of history lies here, written while its prompt ran"
    assert [each.what for each in findings][:3] == ["settings", "stall detection", "this machine"]


def proof_of(gpu: Simulator, root: Path, data_dir: Path) -> Finding:
    return everything(settings(gpu.url, root, data_dir=data_dir))["gpu1, ComfyUI's files"]


def test_the_wrong_directory_is_found_out(gpu: Simulator, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    data_dir = tmp_path / "data"
    by_command_line = proof_of(gpu, other, data_dir)
    assert by_command_line.level is Level.FAILED
    assert f"set output_dir to {gpu.output_dir}" in by_command_line.advice
    saved(gpu)
    by_history = proof_of(gpu, other, data_dir)
    assert by_history.level is Level.FAILED
    assert "is none of 1 files that history lists" in by_history.detail
    # A copy with times of its own is no proof, one that keeps them is.
    shutil.copytree(gpu.output_dir, other, dirs_exist_ok=True)
    for path in other.rglob("*.mp4"):
        os.utime(path, (1.0, 1.0))
    assert proof_of(gpu, other, data_dir).detail.startswith("doubtful: ")
    shutil.copytree(gpu.output_dir, other, dirs_exist_ok=True)
    assert proof_of(gpu, other, data_dir).level is Level.OK


def test_before_the_first_prompt_and_after_a_clean_up(gpu: Simulator, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    assert "no file proves it yet" in proof_of(gpu, gpu.output_dir, data_dir).detail
    saved(gpu).unlink()
    finding = proof_of(gpu, gpu.output_dir, data_dir)
    assert finding.level is Level.WARNING
    assert "moved or deleted" in finding.advice


def test_outputs_that_may_not_be_read(gpu: Simulator, tmp_path: Path) -> None:
    saved(gpu).chmod(0o000)
    with as_nobody():
        found = everything(settings(gpu.url, gpu.output_dir, data_dir=tmp_path / "data"))
    levels = {found[f"gpu1, {what}"].level for what in ("output directory", "ComfyUI's files")}
    assert Level.FAILED in levels


def test_storage_that_hangs_holds_up_nothing_else(
    gpu: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Event()

    def hang(*_: object) -> Iterator[Finding]:
        release.wait()
        yield from ()

    class Impatient(examine_module.Check):  # type: ignore[misc]
        def __init__(self, what: str, *rest: Any) -> None:
            super().__init__(what, *rest[:2], 1.0 if what.endswith("directory") else 20.0)

    monkeypatch.setattr(examine_module, "check_output", hang)
    monkeypatch.setattr(examine_module, "Check", Impatient)
    try:
        found = everything(settings(gpu.url, gpu.output_dir, data_dir=tmp_path / "data"))
    finally:
        release.set()
    stuck = found["gpu1, output directory"]
    assert (stuck.level, stuck.detail) == (Level.FAILED, "no answer within 1 s")
    assert "remounted" in stuck.advice
    assert found["gpu1, ComfyUI"].level is Level.OK
    assert found["gpu1, ComfyUI's files"].level is Level.OK


def test_two_servers_one_directory(gpu: Simulator, tmp_path: Path) -> None:
    servers = [
        {"name": name, "url": url, "output_dir": gpu.output_dir}
        for name, url in (("gpu1", gpu.url), ("gpu2", "http://127.0.0.1:1"))
    ]
    flags = {"servers": servers, "data_dir": tmp_path / "data"}
    found = everything(load(config=Path("/dev/null"), flags=flags, environ={}))
    assert found["output directories"].level is Level.WARNING
    assert "those of gpu1 and gpu2 are the same" in found["output directories"].detail
    assert found["gpu2, ComfyUI"].level is Level.FAILED
    assert found["gpu1, ComfyUI"].level is Level.OK


# The command


def test_exit_0_with_nothing_but_warnings(gpu: Simulator, database: str) -> None:
    done = reconciler(
        *("doctor", "--server", gpu.url, "--output-dir", gpu.output_dir, "--database", database)
    )
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines if not line.startswith(" ")} == {"ok", "warning"}
    assert "\x1b" not in done.stdout
    whole_words = [line for line in lines if " " in line.strip()]
    assert max(map(len, whole_words)) <= WIDTH
    assert "ok, " in done.stderr
    assert "failed" not in done.stderr


def test_exit_1_and_json_where_something_fails(tmp_path: Path) -> None:
    missing = tmp_path / "mi\x1b[2Jssing"
    done = reconciler(
        *("doctor", "--json", "--server", "http://127.0.0.1:1", "--output-dir", missing),
        *("--data-dir", tmp_path / "data"),
    )
    assert done.returncode == 1
    findings = json.loads(done.stdout)
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert all(set(each) == {"level", "what", "detail", "advice"} for each in findings)
    failing = {each["what"]: each for each in findings if each["level"] == "failed"}
    assert set(failing) == {"127.0.0.1:1, ComfyUI", "127.0.0.1:1, output directory"}
    assert all(each["advice"] for each in findings if each["level"] != "ok")
    assert not (tmp_path / "data").exists()


def test_exit_3_where_settings_cannot_be_read(tmp_path: Path) -> None:
    config = tmp_path / "reconciler.yaml"
    config.write_text("stal: {}\nserver: []\n")
    done = reconciler("doctor", "--config", config)
    assert done.returncode == 3
    assert done.stdout.count("failed   settings:") == 2
    assert "did you mean stall?" in done.stdout.replace("\n         ", " ")
    as_json = reconciler("doctor", "--config", config, "--json")
    assert as_json.returncode == 3
    assert [each["level"] for each in json.loads(as_json.stdout)] == ["failed", "failed"]


def test_no_server_is_a_failure_with_advice(tmp_path: Path) -> None:
    done = reconciler("doctor", "--data-dir", tmp_path / "data")
    assert done.returncode == 1
    assert "what to do: use --server URL --output-dir DIR" in done.stdout


def test_a_check_that_hangs_for_ever_does_not_keep_the_process(tmp_path: Path) -> None:
    script = """
import threading
from reconciler.doctor.bounded import Check, run_checks
hang = threading.Event().wait
print(*run_checks([Check("storage", lambda: [hang()], "remount it", 0.2)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert "no answer within 0.2 s" in done.stdout
