"""Signs of life between two looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.comfyui.values import RunningState
from reconciler.core.estimate import Work, percent
from reconciler.reconcile.live import MAX_PROMPTS, Heard, LiveSigns


class Clock:
    """A monotonic clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_progress_of_a_node() -> None:
    live = LiveSigns(Clock())
    live.progress("p", "3", 5.0, 20.0)
    heard = live.of("p")
    assert heard is not None
    assert (heard.node_id, heard.value, heard.maximum, heard.nodes_done) == ("3", 5.0, 20.0, 0)


def test_a_node_is_done_when_the_next_begins() -> None:
    live = LiveSigns(Clock())
    live.progress("p", "3", 20.0, 20.0)
    live.node("p", "4")
    heard = live.of("p")
    assert heard is not None
    assert (heard.nodes_done, heard.node_id, heard.value) == (1, "4", 0.0)


def test_each_word_is_a_sign_of_life() -> None:
    clock = Clock()
    live = LiveSigns(clock)
    live.node("p", "1")
    clock.now = 160.0
    live.progress("p", "1", 1.0, 2.0)
    heard = live.of("p")
    assert heard is not None
    assert heard.last_sign_at == 160.0


def test_what_is_given_out_is_a_copy() -> None:
    live = LiveSigns(Clock())
    live.node("p", "1")
    first = live.of("p")
    live.node("p", "2")
    assert first is not None
    assert first.nodes_done == 0


def test_growth_belongs_to_a_server() -> None:
    live = LiveSigns(Clock())
    live.growth("gpu1")
    assert (live.growth_of("gpu1"), live.growth_of("gpu2")) == (100.0, None)


def test_the_quietest_prompts_are_forgotten_first() -> None:
    live = LiveSigns(Clock())
    for number in range(MAX_PROMPTS):
        live.node(f"p{number}", "1")
    live.node("p0", "2")
    live.node("new", "1")
    assert live.of("p1") is None
    assert live.of("p0") is not None


def test_an_ended_prompt_is_forgotten() -> None:
    live = LiveSigns(Clock())
    live.node("p", "1")
    live.forget("p")
    assert live.of("p") is None


def heard_of(live: LiveSigns, prompt_id: str = "p") -> Heard:
    heard = live.of(prompt_id)
    assert heard is not None
    return heard


def test_the_pack_counts_the_cached_nodes_too() -> None:
    live = LiveSigns(Clock())
    live.progress("p", "7", 1.0, 4.0, nodes_done=5)
    live.node("p", "8")
    assert (heard_of(live).nodes_done, heard_of(live).node_id) == (5, "8")
    live.node("p", "9", nodes_done=7)
    assert heard_of(live).nodes_done == 7


def test_heard_twice_counts_once() -> None:
    once, twice = LiveSigns(Clock()), LiveSigns(Clock())
    for node, done in (("1", 0), ("2", 1), ("3", 2)):
        for step in (1.0, 2.0):
            once.progress("p", node, step, 2.0)
            twice.progress("p", node, step, 2.0)
            twice.progress("p", node, step, 2.0, nodes_done=done)
    assert heard_of(once).nodes_done == heard_of(twice).nodes_done == 2
    assert heard_of(once).value == heard_of(twice).value == 2.0


def test_a_late_broadcast_is_a_sign_of_life_and_no_step_back() -> None:
    clock = Clock()
    live = LiveSigns(clock)
    live.progress("p", "1", 20.0, 20.0)
    live.progress("p", "2", 6.0, 8.0)
    clock.now = 105.0
    live.progress("p", "1", 18.0, 20.0, nodes_done=0)
    live.progress("p", "2", 5.0, 8.0, nodes_done=1)
    heard = heard_of(live)
    assert (heard.node_id, heard.value, heard.nodes_done) == ("2", 6.0, 1)
    assert heard.last_sign_at == 105.0


def test_another_count_of_steps_begins_anew() -> None:
    live = LiveSigns(Clock())
    live.progress("p", "1", 20.0, 20.0)
    live.progress("p", "1", 1.0, 4.0)
    assert (heard_of(live).value, heard_of(live).maximum) == (1.0, 4.0)


def test_a_snapshot_shows_what_a_deaf_socket_does_not() -> None:
    live = LiveSigns(Clock())
    live.shown("p", RunningState(50.0, 2.5, "3", "KSampler", 5.0, 20.0, 2))
    heard = heard_of(live)
    assert (heard.last_sign_at, heard.node_id, heard.value, heard.nodes_done) == (97.5, "3", 5.0, 2)


def test_a_snapshot_makes_no_sign_of_life_older() -> None:
    live = LiveSigns(Clock())
    live.progress("p", "4", 1.0, 2.0)
    live.shown("p", RunningState(50.0, 30.0, "4", None, None, None, 3))
    heard = heard_of(live)
    assert (heard.last_sign_at, heard.value, heard.nodes_done) == (100.0, 1.0, 3)


def test_a_snapshot_without_a_sign_shows_nothing() -> None:
    live = LiveSigns(Clock())
    live.shown("p", RunningState(nodes_done=3))
    assert live.of("p") is None


NODES = ["1", "2", "3", "4"]
WORDS = st.lists(
    st.tuples(
        st.sampled_from([*NODES, None]),
        st.floats(0, 8),
        st.sampled_from([0.0, 4.0, 8.0]),
        st.sampled_from([None, 0, 1, 2, 3, 4]),
        st.sampled_from(["node", "progress", "shown"]),
    )
)


@pytest.mark.parametrize("graph_nodes", [4, 9])
@given(words=WORDS)
def test_in_whatever_order_it_is_heard_progress_goes_forward(graph_nodes, words) -> None:
    live, before = LiveSigns(Clock()), 0
    for node_id, value, maximum, done, how in words:
        if how == "node":
            live.node("p", node_id, done)
        elif how == "progress":
            live.progress("p", node_id, value, maximum, done)
        else:
            live.shown("p", RunningState(9.0, 0.0, node_id, None, value, maximum, done))
        heard = heard_of(live)
        assert heard.node_id not in heard.left
        assert heard.nodes_done <= len(NODES)
        work = Work(graph_nodes, heard.nodes_done, heard.value, heard.maximum)
        assert before <= percent(work, before) <= 99
        before = percent(work, before)
