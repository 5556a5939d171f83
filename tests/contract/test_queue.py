"""The queue and the history: order, removal, and that nothing is ever in neither."""

from __future__ import annotations

import threading

import pytest

from tests.contract.talk import (
    Server,
    as_sent,
    follow_up_graph,
    fresh_prefix,
    images_graph,
    long_graph,
    wait_until,
)

pytestmark = pytest.mark.contract


def block(server: Server) -> str:
    """Keep the worker busy, so that what follows stays pending."""
    prompt_id = server.submit(long_graph(server))
    server.wait_until_running(prompt_id)
    return prompt_id


def test_an_item_of_the_queue(server: Server) -> None:
    graph = long_graph(server)
    prompt_id = server.submit(graph, client_id="somebody")
    server.wait_until_running(prompt_id)
    pending_id = server.submit(images_graph(fresh_prefix("pending")))
    [running], [pending] = server.queue()
    number, running_id, its_graph, extra_data, outputs = running
    assert (running_id, its_graph, extra_data["client_id"]) == (prompt_id, graph, "somebody")
    assert isinstance(number, int)
    assert set(outputs) == {k for k, node in graph.items() if node["class_type"].startswith("Save")}
    assert pending[1] == pending_id
    assert server.json("/prompt") == {"exec_info": {"queue_remaining": 2}}


def test_pending_prompts_are_a_heap_and_run_by_number(server: Server) -> None:
    blocker = block(server)
    numbers = [5.0, 3.0, 8.0, -2.0, 4.0, 1.0, 7.0]
    ids = {n: server.submit(images_graph(fresh_prefix("heap")), number=n) for n in numbers}
    pending = server.queue()[1]
    order = [item[0] for item in pending]
    assert sorted(order) == sorted(numbers)
    assert all(order[(i - 1) // 2] <= order[i] for i in range(1, len(order)))
    server.post("/interrupt", {"prompt_id": blocker})
    started = {n: started_ms(server.wait_for_end(prompt_id)) for n, prompt_id in ids.items()}
    assert sorted(numbers, key=lambda n: started[n]) == sorted(numbers)


def started_ms(entry: dict[str, object]) -> int:
    messages = dict(entry["status"]["messages"])  # type: ignore[index]
    return int(messages["execution_start"]["timestamp"])


def test_front_runs_before_those_that_came_earlier(server: Server) -> None:
    block(server)
    early = server.submit(images_graph(fresh_prefix("early")))
    front = server.submit(images_graph(fresh_prefix("front")), front=True)
    numbers = {item[1]: item[0] for item in server.queue()[1]}
    assert numbers[front] < 0 < numbers[early]


def test_a_prompt_deleted_from_the_queue_leaves_no_trace(server: Server) -> None:
    block(server)
    ids = [server.submit(images_graph(fresh_prefix("delete"))) for _ in range(3)]
    assert server.post("/queue", {"delete": [ids[1], "unknown"]}).status_code == 200
    assert {item[1] for item in server.queue()[1]} == {ids[0], ids[2]}
    assert server.json(f"/history/{ids[1]}") == {}
    assert server.post("/queue", {"clear": True}).status_code == 200
    assert server.queue()[1] == []
    assert all(server.history(prompt_id) is None for prompt_id in ids)


def test_a_node_queues_the_next_prompts_itself(server: Server) -> None:
    """As VHS's batch manager does: new ids, the same `extra_data`, before all that wait."""
    if "QueueFollowUp" not in server.nodes:
        pytest.skip("this ComfyUI lacks the lab's nodes: link tests/contract/lab_nodes into it")
    prefix, job = fresh_prefix("follow"), {"job_id": 42, "extra_pnginfo": {"job_id": "42"}}
    first = server.submit(follow_up_graph(prefix, 2), extra_data=job)
    wait_until(lambda: len(server.saved_under(prefix)) == 3, "the last of three prompts")
    entries = server.saved_under(prefix)
    assert [entry["prompt"][2]["5"]["inputs"]["follow_ups"] for entry in entries] == [2, 1, 0]
    assert entries[0]["prompt"][1] == first
    assert len({entry["prompt"][1] for entry in entries}) == 3
    carried = [as_sent(entry["prompt"][3]) for entry in entries]
    assert carried == [carried[0]] * 3
    assert all(entry["prompt"][0] <= 0 for entry in entries[1:])
    assert all(entry["status"]["status_str"] == "success" for entry in entries)


def test_secrets_are_in_neither_queue_nor_history(server: Server) -> None:
    """0.3.64 shows them in /queue while the prompt is there."""
    prompt_id = server.submit(
        long_graph(server), extra_data={"api_key_comfy_org": "secret", "x": 1}
    )
    server.wait_until_running(prompt_id)
    [item] = server.queue()[0]
    assert len(item) == 5
    assert ("api_key_comfy_org" in item[3]) == (not server.has_jobs_api)
    server.post("/interrupt")
    entry = server.wait_for_end(prompt_id)
    assert len(entry["prompt"]) == 5
    assert "api_key_comfy_org" not in entry["prompt"][3]
    assert entry["prompt"][3]["x"] == 1


def test_a_running_prompt_cannot_be_deleted_from_the_queue(server: Server) -> None:
    blocker = block(server)
    server.post("/queue", {"delete": [blocker]})
    assert [item[1] for item in server.queue()[0]] == [blocker]


def test_a_live_prompt_is_in_the_queue_or_after_it_in_the_history(server: Server) -> None:
    """Reading in this order, no look may miss it; while the worker goes through the queue."""
    blocker = block(server)
    graphs = [images_graph(fresh_prefix("atomic"), batch=1) for _ in range(20)]
    ids = [blocker, *(server.submit(graph) for graph in graphs)]
    left_queue: set[str] = set()
    looks = 0
    while left_queue != set(ids):
        running, pending = server.queue()
        left_queue = set(ids) - {item[1] for item in running + pending}
        assert left_queue <= server.json("/history").keys()
        if looks == 0:
            assert not left_queue
            server.post("/interrupt", {"prompt_id": blocker})
        looks += 1
    assert looks > 1


def test_history_by_id_by_number_and_forgotten(server: Server) -> None:
    first, second, third = (
        server.finish(images_graph(fresh_prefix("history")))["prompt"][1] for _ in range(3)
    )
    assert server.json("/history/unknown") == {}
    assert list(server.json("/history", max_items=2)) == [second, third]
    whole = list(server.json("/history"))
    assert whole[-3:] == [first, second, third]
    page = server.json("/history", max_items=1, offset=len(whole) - 2)
    assert list(page) == [second]
    assert server.post("/history", {"delete": [second]}).status_code == 200
    assert list(server.json("/history"))[-2:] == [first, third]
    assert server.post("/history", {"clear": True}).status_code == 200
    assert server.json("/history") == {}


def test_every_route_exists_under_api_too(server: Server) -> None:
    prompt_id = server.finish(images_graph(fresh_prefix("api")))["prompt"][1]
    for path in ("/prompt", "/queue", "/history", f"/history/{prompt_id}"):
        assert server.json(f"/api{path}") == server.json(path)
    assert server.json("/api/system_stats").keys() == server.json("/system_stats").keys()
    assert server.post("/api/interrupt").status_code == 200


def test_system_stats_name_version_and_arguments(server: Server) -> None:
    stats = server.json("/system_stats")
    assert stats.keys() == {"system", "devices"}
    assert stats["system"]["comfyui_version"] == server.version
    assert all(isinstance(word, str) for word in stats["system"]["argv"])
    directory = stats["system"]["argv"].index("--output-directory")
    assert stats["system"]["argv"][directory + 1].startswith("/")


def test_jobs_exist_in_newer_versions_only(server: Server) -> None:
    blocker = block(server)
    pending = server.submit(images_graph(fresh_prefix("jobs")))
    if not server.has_jobs_api:
        assert server.get("/api/jobs").status_code == 404
        assert server.get(f"/api/jobs/{pending}").status_code == 404
        return
    answer = server.json("/api/jobs", status="pending,in_progress")
    assert answer.keys() == {"jobs", "pagination"}
    by_id = {job["id"]: job for job in answer["jobs"]}
    assert {key: job["status"] for key, job in by_id.items()} == {
        blocker: "in_progress",
        pending: "pending",
    }
    fields = {"id", "status", "priority", "create_time", "outputs_count"}
    assert all(job.keys() == fields | {"previewable_outputs_count"} for job in by_id.values())
    assert server.json(f"/api/jobs/{pending}") == by_id[pending]
    assert server.get("/api/jobs/unknown").status_code == 404
    assert server.get("/api/jobs", status="strange").status_code == 400
    server.post("/interrupt", {"prompt_id": blocker})
    server.wait_for_end(pending)
    ended = server.json(f"/api/jobs/{pending}")
    assert ended["status"] == "completed"
    assert {"outputs", "execution_status", "workflow", "preview_output"} <= ended.keys()
    assert server.json(f"/api/jobs/{blocker}")["status"] == "cancelled"
    listed = server.json("/api/jobs", status="completed", limit=1)
    assert [job["id"] for job in listed["jobs"]] == [pending]
    assert listed["pagination"]["limit"] == 1


def test_a_job_is_cancelled_whether_it_waits_or_runs(server: Server) -> None:
    blocker = block(server)
    pending = server.submit(images_graph(fresh_prefix("cancel")))
    path = "/api/jobs/{}/cancel"
    if not server.has_jobs_api:
        assert server.post(path.format(pending)).status_code in (404, 405)
        return
    assert server.post(path.format(pending)).json() == {"cancelled": True}
    assert server.queue()[1] == []
    assert server.post(path.format(blocker)).json() == {"cancelled": True}
    server.wait_for_end(blocker)
    assert server.post(path.format(blocker)).json() == {"cancelled": False}


def test_answers_stay_whole_while_many_ask(server: Server) -> None:
    """Several readers at once see a consistent queue: nothing twice, nothing half."""
    ids = [server.submit(images_graph(fresh_prefix("many"), batch=1)) for _ in range(8)]
    seen: list[list[str]] = []

    def read() -> None:
        for _ in range(10):
            running, pending = server.queue()
            seen.append([item[1] for item in running + pending])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(seen) == 30
    assert all(len(look) == len(set(look)) and set(look) <= set(ids) for look in seen)
    wait_until(lambda: server.queue() == ([], []), "an empty queue")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": "0"}, "limit must be a positive integer"),
        ({"limit": "x"}, "limit must be an integer"),
        ({"offset": "x"}, "offset must be an integer"),
        ({"sort_order": "up"}, "sort_order must be 'asc' or 'desc'"),
        ({"sort_by": "name"}, "sort_by must be 'created_at' or 'execution_duration'"),
        ({"status": "done,pending"}, "Invalid status value(s): done. Valid values: pending, "),
    ],
)
def test_a_bad_question_about_jobs_is_refused(
    server: Server, query: dict[str, str], words: str
) -> None:
    answer = server.get("/api/jobs", **query)
    if server.has_jobs_api:
        assert answer.status_code == 400
        assert answer.json()["error"].startswith(words)
    else:
        assert answer.status_code == 404
