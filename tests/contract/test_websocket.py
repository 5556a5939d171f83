"""The websocket: who hears what, in which order, and how a socket is lost."""

from __future__ import annotations

import pytest

from tests.contract.talk import (
    Listener,
    Server,
    failing_graph,
    fresh_prefix,
    images_graph,
    long_graph,
    wait_until,
)

pytestmark = pytest.mark.contract

#: Told as often as it pleases the version.
PROGRESS = {"progress", "progress_state"}


def without_progress(listener: Listener, prompt_id: str) -> list[str]:
    return [name for name in listener.names(prompt_id) if name not in PROGRESS]


def heard_statuses(listener: Listener) -> list[int]:
    """`queue_remaining` of each status but the greeting."""
    told = [data for name, data in list(listener.events) if name == "status"]
    return [each["status"]["exec_info"]["queue_remaining"] for each in told[1:]]


def test_a_client_is_greeted_with_the_status_and_its_id(server: Server) -> None:
    with server.listen("greeted") as named:
        assert named.events[0] == (
            "status",
            {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "greeted"},
        )
    nameless = Listener(server.url, None)
    nameless.close()
    assert len(nameless.events[0][1]["sid"]) == 32


def test_the_submitter_hears_everything_in_order(server: Server) -> None:
    with server.listen() as client:
        graph = images_graph(fresh_prefix("order"))
        prompt_id = server.submit(graph, client_id=client.client_id)
        client.wait_for_end(prompt_id)
        assert without_progress(client, prompt_id) == [
            "execution_start",
            "execution_cached",
            "executing",
            "executing",
            "executed",
            "execution_success",
            "executing",
        ]
        entry = server.wait_for_end(prompt_id)
        assert client.wait_for("executed")[1] == {
            "node": "2",
            "display_node": "2",
            "output": entry["outputs"]["2"],
            "prompt_id": prompt_id,
        }
        nodes = [data.get("node") for name, data in client.events if name == "executing"]
        assert nodes == ["1", "2", None]


def test_messages_of_the_history_are_the_events_that_were_told(server: Server) -> None:
    with server.listen() as client:
        entry = server.finish(images_graph(fresh_prefix("told")), client_id=client.client_id)
        client.wait_for_end(entry["prompt"][1])
        told = [list(event) for event in client.events if event[0].startswith("execution_")]
        assert told == entry["status"]["messages"]


def test_success_is_told_before_the_queue_changes_and_the_end_after(server: Server) -> None:
    with server.listen() as client:
        prompt_id = server.submit(images_graph(fresh_prefix("end")), client_id=client.client_id)
        client.wait_for_end(prompt_id)
        assert client.names()[-3:] == ["execution_success", "status", "executing"]
        assert heard_statuses(client) == [1, 1, 0]


def test_progress_states_tell_of_every_node_so_far(server: Server) -> None:
    with server.listen() as client:
        prompt_id = server.submit(images_graph(fresh_prefix("state")), client_id=client.client_id)
        client.wait_for_end(prompt_id)
        states = [data["nodes"] for name, data in client.events if name == "progress_state"]
        told = [{key: node["state"] for key, node in nodes.items()} for nodes in states]
        assert told == [
            {"1": "running"},
            {"1": "finished"},
            {"1": "finished", "2": "running"},
            {"1": "finished", "2": "finished"},
        ]
        assert states[-1]["2"] == {
            "value": 1.0,
            "max": 1.0,
            "state": "finished",
            "node_id": "2",
            "prompt_id": prompt_id,
            "display_node_id": "2",
            "parent_node_id": None,
            "real_node_id": "2",
        }


def test_an_observer_hears_nothing_of_another_clients_prompt_but_the_status(
    server: Server,
) -> None:
    with server.listen() as observer, server.listen() as client:
        prompt_id = server.submit(images_graph(fresh_prefix("other")), client_id=client.client_id)
        client.wait_for_end(prompt_id)
        wait_until(lambda: heard_statuses(observer) == [1, 1, 0], "the last status")
        assert set(observer.names()) == {"status"}


def test_an_anonymous_prompts_progress_is_for_everybody_and_its_end_for_nobody(
    server: Server,
) -> None:
    with server.listen() as observer:
        prompt_id = server.submit(images_graph(fresh_prefix("anonymous")))
        wait_until(lambda: heard_statuses(observer) == [1, 1, 0], "the last status")
        assert set(observer.names(prompt_id)) == {"progress_state"}


def test_an_error_is_told_to_the_submitter(server: Server) -> None:
    with server.listen() as client:
        entry = server.finish(failing_graph(), client_id=client.client_id)
        prompt_id = entry["prompt"][1]
        client.wait_for_end(prompt_id)
        assert without_progress(client, prompt_id)[-2:] == ["execution_error", "executing"]
        error = entry["status"]["messages"][-1][1]
        assert client.wait_for("execution_error")[1] == error


def test_an_anonymous_prompts_interrupt_is_told_to_everybody(server: Server) -> None:
    with server.listen() as observer:
        prompt_id = server.submit(long_graph(server))
        server.wait_until_running(prompt_id)
        server.post("/interrupt")
        observer.wait_for("execution_interrupted", prompt_id=prompt_id)
        server.wait_for_end(prompt_id)


def test_an_anonymous_prompts_error_is_told_to_nobody(server: Server) -> None:
    with server.listen() as observer:
        prompt_id = server.finish(failing_graph())["prompt"][1]
        wait_until(lambda: heard_statuses(observer) == [1, 1, 0], "the last status")
        assert "execution_error" not in observer.names(prompt_id)


def test_a_cached_prompt_tells_its_outputs_again(server: Server) -> None:
    graph = images_graph(fresh_prefix("again"))
    first = server.finish(graph)
    with server.listen() as client:
        prompt_id = server.submit(graph, client_id=client.client_id)
        client.wait_for_end(prompt_id)
        assert client.names(prompt_id) == [
            "execution_start",
            "execution_cached",
            "executed",
            "progress_state",
            "execution_success",
            "executing",
        ]
        assert client.wait_for("executed")[1]["output"] == first["outputs"]["2"]


def test_deleting_the_last_pending_prompt_is_told_twice(server: Server) -> None:
    running = server.submit(long_graph(server))
    server.wait_until_running(running)
    pending = [server.submit(images_graph(fresh_prefix("twice"))) for _ in range(2)]
    with server.listen() as observer:
        for prompt_id in pending:
            server.post("/queue", {"delete": [prompt_id]})
        wait_until(lambda: len(heard_statuses(observer)) == 3, "three statuses")
        assert heard_statuses(observer) == [2, 1, 1]


def test_a_used_client_id_takes_the_socket_away(server: Server) -> None:
    with server.listen("shared") as first, server.listen("shared") as second:
        heard = len(first.events)
        prompt_id = server.submit(images_graph(fresh_prefix("stolen")), client_id="shared")
        second.wait_for_end(prompt_id)
        assert len(first.events) == heard
        assert heard_statuses(second) == [1, 1, 0]


def test_the_end_of_the_first_socket_silences_the_second(server: Server) -> None:
    """The clean-up of the older connection removes the newer one: open, and silent for ever."""
    with (
        server.listen() as witness,
        server.listen("silenced") as first,
        server.listen("silenced") as second,
    ):
        run_three(server, witness)
        wait_until(lambda: len(heard_statuses(second)) == 9, "all, until the first goes away")
        first.close()
        wait_until(lambda: passes_in_silence(server, second, witness), "silence")


def passes_in_silence(server: Server, listener: Listener, witness: Listener) -> bool:
    """True if the listener hears nothing at all of three prompts."""
    before = len(listener.events)
    run_three(server, witness)
    return len(listener.events) == before


def run_three(server: Server, witness: Listener) -> None:
    for _ in range(3):
        graph = images_graph(fresh_prefix("silence"), batch=1)
        witness.wait_for_end(server.submit(graph, client_id=witness.client_id))


def test_a_reconnecting_submitter_is_told_which_node_is_at_work(server: Server) -> None:
    with server.listen("again") as client:
        prompt_id = server.submit(long_graph(server), client_id="again")
        client.wait_for("executing", prompt_id=prompt_id)
    with server.listen("again") as reconnected:
        node = reconnected.wait_for("executing")[1]["node"]
        assert node in server.queue()[0][0][2]


def test_feature_flags_are_answered(server: Server) -> None:
    with server.listen() as client:
        client.send({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        flags = client.wait_for("feature_flags")[1]
        assert flags["supports_preview_metadata"] is True
        assert isinstance(flags["max_upload_size"], int)
