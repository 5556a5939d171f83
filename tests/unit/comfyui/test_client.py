"""What the client asks, in which order, and what it makes of the answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from responses import matchers

from comfy_node.contract import SNAPSHOT_FORMAT, SNAPSHOT_PATH
from reconciler.comfyui import client as client_module
from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.client import ComfyClient
from reconciler.core.evidence import EndKind
from reconciler.errors import ServerAnswer, ServerError, ServerRefused
from tests.unit.comfyui.recorded import NEW, OLD, VERSIONS, recorded
from tests.unit.comfyui.test_history import JSON, ODD_ENTRY

URL = "http://gpu:8188"
JOBS, QUEUE, SNAPSHOT = f"{URL}/api/jobs", f"{URL}/queue", URL + SNAPSHOT_PATH


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    """A server without the node pack."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(SNAPSHOT, status=404, body="404: Not Found")
        yield mock


@pytest.fixture
def client() -> Iterator[ComfyClient]:
    opened = ComfyClient(ServerAddress("main", URL, {"X-Key": "k"}, token="t"))
    yield opened
    opened.close()


def asked(server: responses.RequestsMock) -> list[str]:
    """Every path that was asked for, and forgets them. Of the snapshot test_looking.py tells."""
    paths = [str(call.request.url).removeprefix(URL).partition("?")[0] for call in server.calls]
    server.calls.reset()
    return [path for path in paths if path != SNAPSHOT_PATH]


def queued(number: int, prompt_id: str, job_id: int) -> list[object]:
    return [number, prompt_id, {}, {"job_id": job_id, "create_time": 1000 * number}, ["4"]]


def listing(*jobs: tuple[int, str, str]) -> dict[str, Any]:
    listed = [
        {"id": prompt_id, "status": status, "priority": number, "create_time": 1000 * number}
        for number, prompt_id, status in jobs
    ]
    return {"jobs": listed, "pagination": {"offset": 0, "limit": None, "total": len(listed)}}


def answer(server: responses.RequestsMock, jobs: object, queue: object) -> None:
    server.upsert(responses.GET, JOBS, json=jobs)
    server.upsert(responses.GET, QUEUE, json=queue)


A_RUNS = {"queue_running": [queued(1, "a", 41)], "queue_pending": []}
A_RUNS_B_WAITS = {"queue_running": [queued(1, "a", 41)], "queue_pending": [queued(2, "b", 42)]}
B_RUNS = {"queue_running": [queued(2, "b", 42)], "queue_pending": []}


def test_the_queue_is_read_whole_only_for_prompts_not_seen_before(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    answer(server, listing((2, "b", "pending"), (1, "a", "in_progress")), A_RUNS_B_WAITS)
    first = client.look()
    assert asked(server) == ["/api/jobs", "/queue"]
    assert client.look() == first
    assert asked(server) == ["/api/jobs"]
    assert [prompt.job_id for prompt in first] == ["41", "42"]

    answer(server, listing((2, "b", "in_progress")), B_RUNS)
    (running,) = client.look().running
    assert asked(server) == ["/api/jobs"]
    assert (running.prompt_id, running.job_id, running.output_nodes) == ("b", "42", 1)


def test_an_id_used_twice_is_read_anew(server: responses.RequestsMock, client: ComfyClient) -> None:
    answer(server, listing((1, "a", "in_progress")), A_RUNS)
    client.look()
    answer(
        server,
        listing((7, "a", "in_progress")),
        {"queue_running": [queued(7, "a", 99)], "queue_pending": []},
    )
    assert [prompt.job_id for prompt in client.look()] == ["99"]


def test_only_the_open_jobs_are_asked_for(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    only_open = matchers.query_param_matcher({"status": "pending,in_progress"})
    server.get(JOBS, json=listing(), match=[only_open])
    assert list(client.look()) == []
    headers = server.calls[-1].request.headers
    assert (headers["Authorization"], headers["X-Key"]) == ("Bearer t", "k")


def test_a_version_without_api_jobs_is_asked_once(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    server.get(JOBS, status=404, body="404: Not Found")
    server.get(QUEUE, json=recorded(OLD, "queue"))
    assert len(list(client.look())) == 2
    client.look()
    assert asked(server) == ["/api/jobs", "/queue", "/queue"]
    client.reconnected()
    client.look()
    assert asked(server) == ["/api/jobs", "/queue"]


def test_it_is_asked_anew_after_the_server_was_away(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    server.get(JOBS, status=404)
    server.get(QUEUE, json=A_RUNS)
    client.look()
    server.upsert(responses.GET, QUEUE, body=ConnectionRefusedError(111, "Connection refused"))
    with pytest.raises(ServerRefused):
        client.look()
    asked(server)
    answer(server, listing((1, "a", "in_progress")), A_RUNS)
    client.look()
    assert asked(server) == ["/api/jobs"]


def test_it_is_asked_anew_of_another_version(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    server.get(JOBS, status=404)
    server.get(QUEUE, json=A_RUNS)
    stats = server.get(f"{URL}/system_stats", json=recorded(OLD, "system_stats"))
    client.info()
    client.look()
    client.info()
    client.look()
    assert asked(server).count("/api/jobs") == 1
    server.remove(stats)
    server.get(f"{URL}/system_stats", json=recorded(NEW, "system_stats"))
    assert client.info().version == "0.33.0"
    client.look()
    assert asked(server).count("/api/jobs") == 1


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500, "body": "500 Internal Server Error"},
        {"body": "<!DOCTYPE html><title>ComfyUI</title>"},
        {"json": {"jobs": [], "pagination": {"total": 3, "has_more": True}}},
    ],
)
def test_api_jobs_that_fails_is_left_alone_for_a_while(
    server: responses.RequestsMock,
    client: ComfyClient,
    monkeypatch: pytest.MonkeyPatch,
    trouble: dict[str, Any],
) -> None:
    now = 1000.0
    monkeypatch.setattr(client_module.time, "monotonic", lambda: now)
    server.get(JOBS, **trouble)
    server.get(QUEUE, json=A_RUNS)
    assert [prompt.prompt_id for prompt in client.look()] == ["a"]
    client.look()
    assert asked(server) == ["/api/jobs", "/queue", "/queue"]
    now += 301.0
    client.look()
    assert asked(server) == ["/api/jobs", "/queue"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_ending_comes_from_history(
    server: responses.RequestsMock, client: ComfyClient, version: str
) -> None:
    entry = recorded(version, "vhs")["history"]
    prompt_id = entry["prompt"][1]
    server.get(f"{URL}/history/{prompt_id}", json={prompt_id: entry})
    ended = client.ending(prompt_id)
    assert ended is not None
    assert ended.prompt.prompt_id == prompt_id
    assert [file.filename for file in ended.ending.files] == ["AnimateDiff_00001.mp4"]


def test_unknown_is_an_answer_and_nonsense_is_not(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    server.get(f"{URL}/history/p", json={})
    assert client.ending("p") is None
    for nonsense in ('{"q": {}}', '{"p": []}', "[]", "null", '"p"', "3"):
        server.upsert(responses.GET, f"{URL}/history/p", body=nonsense)
        with pytest.raises(ServerAnswer, match="not ComfyUI's"):
            client.ending("p")


def test_any_prompt_id_is_asked_for_as_it_is(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    server.get(f"{URL}/history/a%2F..%2Fb%3Fc%23d%20%C3%A9", json={})
    assert client.ending("a/../b?c#d é") is None


def test_recent_endings_leave_out_what_cannot_be_read(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    entries = {
        "gone": recorded(NEW, "error")["history"],
        "odd": None,
        "": {},
        "done": recorded(NEW, "video")["history"],
    }
    only = matchers.query_param_matcher({"max_items": "50"})
    server.get(f"{URL}/history", json=entries, match=[only])
    kinds = [(ended.prompt.prompt_id, ended.ending.kind) for ended in client.recent(50)]
    assert kinds == [("gone", EndKind.ERROR), ("done", EndKind.SUCCESS)]


def test_recent_of_something_else_is_an_error(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    server.get(f"{URL}/history", json=[])
    with pytest.raises(ServerAnswer, match="no object"):
        client.recent(5)


def test_only_a_running_prompt_is_interrupted(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    answer(server, listing((1, "a", "in_progress"), (2, "b", "pending")), A_RUNS_B_WAITS)
    body = matchers.json_params_matcher({"prompt_id": "a"})
    server.post(f"{URL}/interrupt", match=[body])
    client.interrupt("b")
    client.interrupt("gone")
    assert "/interrupt" not in asked(server)
    client.interrupt("a")
    assert asked(server)[-1] == "/interrupt"


def test_a_pending_prompt_is_deleted(server: responses.RequestsMock, client: ComfyClient) -> None:
    server.post(QUEUE, match=[matchers.json_params_matcher({"delete": ["b"]})])
    client.remove_pending("b")
    assert asked(server) == ["/queue"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "words"),
    [("invalid", "Prompt outputs failed validation"), ("invalid_node_type", "NoSuchNode")],
)
def test_a_refused_prompt_is_told_with_comfyuis_words(
    server: responses.RequestsMock, client: ComfyClient, version: str, name: str, words: str
) -> None:
    told = recorded(version, name)
    server.post(QUEUE, status=told["status"], json=told["body"])
    with pytest.raises(ServerAnswer, match="status 400") as caught:
        client.remove_pending("b")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "token"),
        (403, "token"),
        (404, "path that a proxy may add"),
        (302, "redirects to 'http://login/'"),
        (502, "proxy"),
        (418, "ComfyUI's own"),
    ],
)
def test_a_status_that_was_not_expected_comes_with_advice(
    server: responses.RequestsMock, client: ComfyClient, status: int, advice: str
) -> None:
    server.get(f"{URL}/history/p", status=status, headers={"Location": "http://login/"})
    with pytest.raises(ServerAnswer, match=f"'main' at {URL} .*status {status}") as caught:
        client.ending("p")
    assert advice in str(caught.value)


def test_html_is_told_with_an_escaped_excerpt(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    page = "<html>\n<h1>Sign in\x1b[31m</h1>" + "x" * 5000
    server.get(f"{URL}/history/p", body=page)
    with pytest.raises(ServerAnswer, match="something else than JSON") as caught:
        client.ending("p")
    assert r"<html>\n<h1>Sign in\x1b[31m</h1>" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("body", [b"", b"[" * 200_000, b'{"a": 1', b"\xff\xfe{}", b"1" * 5000])
def test_broken_json_is_an_answer(
    server: responses.RequestsMock, client: ComfyClient, body: bytes
) -> None:
    server.get(f"{URL}/history/p", body=body)
    with pytest.raises(ServerAnswer, match="something else than JSON"):
        client.ending("p")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON, ODD_ENTRY)
def test_any_json_from_anywhere_gives_a_value_or_a_server_error(
    server: responses.RequestsMock, client: ComfyClient, odd: object, entry: object
) -> None:
    snapshot = {"format": SNAPSHOT_FORMAT, "boot_id": "b", "running": odd, "pending": []}
    for body in (odd, {"p": entry}, {"queue_running": odd, "queue_pending": []}, snapshot):
        for path in (
            "/history/p",
            "/history",
            "/queue",
            "/api/jobs",
            "/system_stats",
            SNAPSHOT_PATH,
        ):
            server.upsert(responses.GET, URL + path, body=json.dumps(body))
        client.reconnected()
        asks = (client.look, client.info, lambda: client.ending("p"), lambda: client.recent(3))
        for ask in asks:
            try:
                ask()
            except ServerError as error:
                assert "'main'" in str(error)
