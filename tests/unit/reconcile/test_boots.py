"""Which process answered: restarts, and several behind one address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.comfyui.values import Look
from reconciler.reconcile.boots import MAX_BOOTS, note_boot, restart_proven
from reconciler.store.servers import SHARED_S, ServerRecord


def answered(*boots: str | None, every_s: float = 10.0) -> ServerRecord:
    """A server that these processes answered for, one after the other."""
    record = ServerRecord("gpu", "http://gpu")
    for number, boot_id in enumerate(boots):
        note_boot(record, Look(boot_id=boot_id, worker_alive=True), number * every_s)
    return record


def test_another_boot_id_proves_the_restart() -> None:
    record = answered("a", "a", "b")
    assert restart_proven(record, "a")
    assert not restart_proven(record, "b")
    assert not record.is_shared(30.0)


@pytest.mark.parametrize("known", [None, "never heard of"])
def test_what_was_not_known_before_proves_nothing(known: str | None) -> None:
    assert not restart_proven(answered("a", "b"), known)
    assert not restart_proven(answered("b"), "a")


def test_a_pack_that_is_gone_proves_nothing() -> None:
    record = answered("a", None)
    assert not restart_proven(record, "a")
    assert record.boot_id == "a"


def test_a_pack_that_was_gone_for_a_while_proves_the_restart_when_it_is_back() -> None:
    assert restart_proven(answered("a", None, None, "b"), "a")


@pytest.mark.parametrize("boots", [("a", "b", "a"), ("a", "b", "c", "a"), ("a", "b", None, "a")])
def test_one_that_comes_back_is_one_of_several(boots: tuple[str | None, ...]) -> None:
    record = answered(*boots)
    assert record.is_shared(30.0)
    assert not restart_proven(record, "b"), "it may live behind the same address"


def test_an_hour_of_one_process_alone_ends_the_doubt() -> None:
    record = answered("a", "b", "a", *["a"] * 400)
    assert record.boot_returned_at == 20.0
    assert record.is_shared(20.0 + SHARED_S - 1)
    assert not record.is_shared(20.0 + SHARED_S)
    assert not restart_proven(record, "b"), "but no restart is proven there any more"


def test_each_return_begins_the_hour_anew() -> None:
    record = answered("a", "b", "a", "a", "b", "a")
    assert record.boot_returned_at == 50.0


def test_another_address_is_another_matter() -> None:
    record = answered("a", "b", "a")
    record.move_to("http://gpu")
    assert record.is_shared(30.0)
    record.move_to("http://other")
    assert (record.boot_id, record.earlier_boot_ids) == (None, [])
    assert not record.is_shared(30.0)
    assert note_boot(record, Look(boot_id="b"), 40.0) is False


def test_restarts_without_end_are_not_remembered_without_end() -> None:
    record = answered(*(f"boot-{number}" for number in range(200)))
    assert len(record.earlier_boot_ids) == MAX_BOOTS
    assert record.earlier_boot_ids[-1] == "boot-198"


def test_the_worker_is_dead_where_the_pack_says_so() -> None:
    record = answered("a")
    assert record.worker_dead_since is None
    note_boot(record, Look(boot_id="a", worker_alive=False), 50.0)
    note_boot(record, Look(boot_id="a", worker_alive=False), 60.0)
    assert record.worker_dead_since == 50.0


@pytest.mark.parametrize(
    "look",
    [
        Look(boot_id="a", worker_alive=True),
        Look(boot_id="a", worker_alive=None),
        Look(boot_id="b", worker_alive=True),
        Look(boot_id="b", worker_alive=None),
        Look(),
    ],
)
def test_it_is_dead_no_longer_than_the_pack_says_so(look: Look) -> None:
    record = answered("a")
    note_boot(record, Look(boot_id="a", worker_alive=False), 50.0)
    note_boot(record, look, 60.0)
    assert record.worker_dead_since is None


def test_a_dead_worker_of_another_process_is_another() -> None:
    record = answered("a")
    note_boot(record, Look(boot_id="a", worker_alive=False), 50.0)
    note_boot(record, Look(boot_id="b", worker_alive=False), 60.0)
    assert record.worker_dead_since == 60.0


def test_a_worker_that_nobody_saw_is_not_dead() -> None:
    record = ServerRecord("gpu", "http://gpu")
    note_boot(record, Look(boot_id="a", worker_alive=None), 0.0)
    assert record.worker_dead_since is None


@given(st.lists(st.sampled_from(["a", "b", "c", None])))
def test_no_restart_is_proven_of_a_process_that_answers_again(boots: list[str | None]) -> None:
    record = answered(*boots)
    told = [boot for boot in boots if boot is not None]
    runs = [boot for n, boot in enumerate(told) if n == 0 or told[n - 1] != boot]
    came_back = len(runs) > len(set(runs))
    assert (record.boot_returned_at is not None) == came_back
    assert [b for b in "abc" if restart_proven(record, b)] == (
        [] if came_back else sorted(runs[:-1])
    )
