"""Other packs that wrap the same methods, loaded before or after ours."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfy_node.guard import guarded, replace_method, step_aside_quietly

from .conftest import FakePromptServer, installed, read_manifest, settle

METHODS = ("put", "get", "task_done", "wipe_queue", "delete_queue_item")


class OtherPack:
    """Counts the calls of every method, and passes all on as most packs do."""

    def __init__(self, server: FakePromptServer) -> None:
        self.calls = dict.fromkeys((*METHODS, "send_sync"), 0)
        for name in METHODS:
            self._wrap(server.prompt_queue, name)
        self._wrap(server, "send_sync")

    def _wrap(self, owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return original(*args, **kwargs)

        setattr(owner, name, wrapper)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "between", "last"])
def test_two_other_packs_and_ours_all_see_every_call_once(
    place: int, server: FakePromptServer, output: Path
) -> None:
    loads: list[Callable[[], Any]] = [lambda: OtherPack(server), lambda: OtherPack(server)]
    loads.insert(place, lambda: installed(server, output))
    loaded = [load() for load in loads]
    pack = loaded.pop(place)

    server.run(job_id=42)
    server.submit("gone")
    server.submit("wiped")
    server.prompt_queue.delete_queue_item(lambda item: item[1] == "gone")
    server.prompt_queue.wipe_queue()
    settle(pack)

    for other in loaded:
        assert {name: other.calls[name] for name in METHODS} == {
            "put": 3,
            "get": 1,
            "task_done": 1,
            "wipe_queue": 1,
            "delete_queue_item": 1,
        }
    assert read_manifest(output)["job_id"] == "42"
    ended = [data["prompt_id"] for name, data in server.own_events() if name == "end"]
    assert ended == ["p1", "gone", "wiped"]
    pack.close()
    assert server.run("after") in server.prompt_queue.history


def test_a_wrapper_of_a_fixed_signature_around_ours_still_fits(
    server: FakePromptServer, output: Path
) -> None:
    pack = installed(server, output)
    ours = server.prompt_queue.task_done

    def fixed(item_id: int, history_result: Any, status: Any, process_item: Any = None) -> Any:
        if process_item is None:
            return ours(item_id, history_result, status)
        return ours(item_id, history_result, status, process_item)

    server.prompt_queue.task_done = fixed
    server.run()

    assert read_manifest(output)["kind"] == "success"
    pack.close()


def test_a_pack_that_replaces_the_class_s_method_later_is_still_heard(
    server: FakePromptServer, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = installed(server, output)
    kind = type(server.prompt_queue)
    original = kind.task_done
    seen: list[int] = []

    def task_done(self: Any, item_id: int, *args: Any, **kwargs: Any) -> Any:
        seen.append(item_id)
        return original(self, item_id, *args, **kwargs)

    monkeypatch.setattr(kind, "task_done", task_done)
    server.run()

    assert seen == [0]
    assert read_manifest(output)["kind"] == "success"
    pack.close()


def test_a_pack_that_puts_another_queue_in_place_takes_no_harm(
    server: FakePromptServer, output: Path
) -> None:
    pack = installed(server, output)
    other = FakePromptServer(type(server.prompt_queue))
    server.prompt_queue = other.prompt_queue

    server.run()
    pack.close()

    assert list(server.prompt_queue.history) == ["p1"]
    assert pack.ledger.view().ended == []


def test_whoever_asks_for_a_signature_gets_the_original_s(
    server: FakePromptServer, output: Path
) -> None:
    before = {name: inspect.signature(getattr(server.prompt_queue, name)) for name in METHODS}
    pack = installed(server, output)

    after = {name: inspect.signature(getattr(server.prompt_queue, name)) for name in METHODS}

    assert after == before
    pack.close()


class Owner:
    """Something with a method."""

    def double(self, number: int) -> int:
        """Twice that."""
        return 2 * number


def once_more(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: original(*args) + 1


def test_what_is_undone_is_gone_unless_somebody_wrapped_it_since() -> None:
    free, wrapped = Owner(), Owner()
    undo_free = replace_method(free, "double", once_more)
    undo_wrapped = replace_method(wrapped, "double", once_more)
    ours = wrapped.double
    wrapped.double = lambda number: ours(number) * 10  # type: ignore[method-assign]
    assert (free.double(2), wrapped.double(2)) == (5, 50)
    undo_free()
    undo_wrapped()

    assert vars(free) == {}
    assert (free.double(2), wrapped.double(2)) == (4, 50)


def test_a_static_method_and_one_of_a_proxy_are_called_as_they_are() -> None:
    class Static:
        double = staticmethod(lambda number: 2 * number)

    class Proxy:
        def __getattr__(self, name: str) -> Any:
            if name != "double":
                raise AttributeError(name)
            return lambda number: 20 * number

    static, proxy = Static(), Proxy()
    replace_method(static, "double", once_more)
    replace_method(proxy, "double", once_more)

    assert (static.double(2), proxy.double(2)) == (5, 41)
    with pytest.raises(AttributeError):
        replace_method(proxy, "triple", once_more)


def test_a_fault_is_told_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    def fail(error: Exception) -> None:
        raise error

    for error in (ValueError("a"), ValueError("b"), KeyError("c")):
        assert guarded("this fails", fail, error) is None
    for _ in range(2):
        step_aside_quietly("the disk is full", OSError(28, "No space left on device"))

    assert len(caplog.records) == 3
    assert [bool(record.exc_info) for record in caplog.records] == [True, True, False]
    assert guarded("this works", max, 1, 2) == 2
