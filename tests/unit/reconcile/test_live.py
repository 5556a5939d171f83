"""Signs of life between two looks."""

from __future__ import annotations

from reconciler.reconcile.live import MAX_PROMPTS, LiveSigns


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
    assert (heard.node_id, heard.value, heard.maximum, heard.nodes_done) == ("3", 5.0, 20.0, set())


def test_a_node_is_done_when_the_next_begins() -> None:
    live = LiveSigns(Clock())
    live.progress("p", "3", 20.0, 20.0)
    live.node("p", "4")
    heard = live.of("p")
    assert heard is not None
    assert (heard.nodes_done, heard.node_id, heard.value) == ({"3"}, "4", 0.0)


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
    assert first.nodes_done == set()


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
