"""The settle rule: closed and unchanged since, or unchanged for settle_s."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.outputs.scan import FileFact
from reconciler.outputs.settle import Settle

SETTLE_S = 3.0
PATH = Path("/out/a.mp4")


def fact(version: int = 0, path: Path = PATH) -> FileFact:
    return FileFact(path, size_bytes=100 + version, mtime_ns=version, inode=1)


def test_a_file_at_first_sight_has_not_settled() -> None:
    assert not Settle(SETTLE_S).has_settled(fact(), 1_000.0)


def test_quiet_for_long_enough_settles_it() -> None:
    settle = Settle(SETTLE_S)
    assert not settle.has_settled(fact(), 10.0)
    assert not settle.has_settled(fact(), 12.9)
    assert settle.has_settled(fact(), 13.0)


def test_each_growth_starts_the_clock_again() -> None:
    settle = Settle(SETTLE_S)
    assert not settle.has_settled(fact(0), 10.0)
    assert not settle.has_settled(fact(1), 13.0)
    assert not settle.has_settled(fact(1), 15.9)
    assert settle.has_settled(fact(1), 16.0)


def test_a_close_settles_it_at_once() -> None:
    settle = Settle(SETTLE_S)
    assert not settle.has_settled(fact(0), 10.0)
    settle.note_closed(PATH)
    assert settle.has_settled(fact(1), 10.1)
    assert settle.has_settled(fact(1), 10.2)


def test_a_change_after_the_close_undoes_it() -> None:
    settle = Settle(SETTLE_S)
    settle.note_closed(PATH)
    assert settle.has_settled(fact(0), 10.0)
    assert not settle.has_settled(fact(1), 10.5)
    assert not settle.has_settled(fact(1), 13.4)
    assert settle.has_settled(fact(1), 13.5)


def test_a_change_after_quiet_undoes_it() -> None:
    settle = Settle(SETTLE_S)
    settle.has_settled(fact(0), 0.0)
    assert settle.has_settled(fact(0), 50.0)
    assert not settle.has_settled(fact(1), 51.0)


def test_another_file_under_the_name_is_a_change() -> None:
    settle = Settle(SETTLE_S)
    settle.note_closed(PATH)
    assert settle.has_settled(fact(), 10.0)
    assert not settle.has_settled(FileFact(PATH, 100, 0, inode=2), 11.0)


def test_files_do_not_share_a_clock() -> None:
    settle = Settle(SETTLE_S)
    other = Path("/out/b.mp4")
    settle.note_closed(other)
    assert not settle.has_settled(fact(), 10.0)
    assert settle.has_settled(fact(path=other), 10.0)


def test_the_next_look_is_due_when_the_first_file_may_have_settled() -> None:
    settle = Settle(SETTLE_S)
    other = Path("/out/b.mp4")
    assert settle.due_s(0.0) is None
    settle.has_settled(fact(), 10.0)
    settle.has_settled(fact(path=other), 11.0)
    assert settle.due_s(11.0) == 13.0
    assert settle.has_settled(fact(), 13.0)
    assert settle.due_s(13.0) == 14.0
    # Nobody could look at the other at 14: it is gone, and waited for no longer.
    assert settle.due_s(14.0) is None


def test_nothing_is_due_for_a_closed_file() -> None:
    settle = Settle(SETTLE_S)
    settle.note_closed(PATH)
    settle.has_settled(fact(), 10.0)
    assert settle.due_s(10.0) is None


def test_a_forgotten_file_begins_anew() -> None:
    settle = Settle(SETTLE_S)
    other = Path("/out/b.mp4")
    for path in (PATH, other):
        settle.has_settled(fact(path=path), 0.0)
    settle.keep({other})
    assert not settle.has_settled(fact(), 50.0)
    assert settle.has_settled(fact(path=other), 50.0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "close", "look"]),
        st.floats(min_value=0.0, max_value=5.0, allow_nan=False),
    ),
    max_size=40,
)


@given(STEPS)
def test_it_is_settled_exactly_if_closed_or_quiet_since_the_last_seen_change(
    steps: list[tuple[str, float]],
) -> None:
    """A second account of the rule, over the whole past in place of a small state."""
    settle = Settle(SETTLE_S)
    now_s, version = 0.0, 0
    past: list[tuple[str, int, float]] = []  # closes and looks, oldest first
    for step, pause_s in steps:
        now_s += pause_s
        if step == "write":
            version += 1
        elif step == "close":
            settle.note_closed(PATH)
            past.append(("close", version, now_s))
        else:
            past.append(("look", version, now_s))
            assert settle.has_settled(fact(version), now_s) == _settled_by(past)


def _settled_by(past: list[tuple[str, int, float]]) -> bool:
    """True if, going back from the last look without meeting another version at a look, we meet
    a close or a look that is old enough."""
    _, version, now_s = past[-1]
    for kind, seen_version, at_s in reversed(past):
        if kind == "close":
            return True
        if seen_version != version:
            return False
        if now_s >= at_s + SETTLE_S:
            return True
    return False


@given(st.floats(min_value=0.0, max_value=1e6), st.floats(min_value=0.1, max_value=100.0))
def test_a_quiet_file_has_settled_when_the_look_is_due(start_s: float, settle_s: float) -> None:
    settle = Settle(settle_s)
    settle.has_settled(fact(), start_s)
    due_s = settle.due_s(start_s)
    assert due_s is not None
    assert settle.has_settled(fact(), due_s)
