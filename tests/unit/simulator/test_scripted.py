"""The scripted node on a stage without a server: how long it takes, and what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from reconciler.simulator import Outcome, Saver, render_graph
from reconciler.simulator.node_types import NODE_TYPES, SCRIPTED
from reconciler.simulator.progress import Progress
from reconciler.simulator.run import Run, Stage
from reconciler.simulator.scripted import simulated_render
from reconciler.simulator.server import PromptServer
from reconciler.simulator.signals import Interrupted, LifeOver, Signals
from reconciler.simulator.versions import VERSIONS


class Clock(Signals):
    """Signals on which time passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.paused_s: list[float] = []

    def pause(self, seconds: float) -> None:
        """Only write it down."""
        self.paused_s.append(seconds)
        super().pause(0)

    def hang(self) -> NoReturn:
        """Whoever waits for the end has it at once."""
        raise LifeOver


class Theatre:
    """A run, and what the node did with everything around it."""

    def __init__(self, tmp_path: Path, server: PromptServer, speed: float) -> None:
        self.clock = Clock()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.crashes_s: list[float] = []
        self.delays_s: list[float] = []
        stage = Stage(
            output_dir=tmp_path,
            temp_dir=tmp_path,
            speed=speed,
            version=VERSIONS["0.33.0"],
            metadata=True,
            signals=self.clock,
            server=server,
            memory={},
            crash=self.crashes_s.append,
            delay_answers=self.delays_s.append,
        )
        progress = Progress("p", lambda name, data: self.events.append((name, data)), 0.0)
        self.run = Run(stage, "p", {}, {}, progress, {})

    def play(self, outcome: Outcome = Outcome.SUCCESS, **inputs: Any) -> Any:
        """Perform the node; returns what it hands on."""
        given = {"frames": 4, "width": 32, "height": 32, **inputs}
        node = render_graph(outcome, **given)["1"]
        every = {**NODE_TYPES[SCRIPTED].defaults, **node["inputs"]}
        return simulated_render(self.run, "1", every)


@pytest.fixture
def server() -> Iterator[PromptServer]:
    loop = asyncio.new_event_loop()
    yield PromptServer(loop, VERSIONS["0.33.0"])
    loop.close()


@pytest.fixture
def theatre(tmp_path: Path, server: PromptServer) -> Theatre:
    return Theatre(tmp_path, server, speed=1.0)


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_every_duration_is_divided_by_the_speed(
    tmp_path: Path, server: PromptServer, speed: float
) -> None:
    theatre = Theatre(tmp_path, server, speed)
    theatre.play(seconds=8.0, encode_seconds=2.0, linger_seconds=0.5)
    expected = [*[2.0 / speed] * 4, *[0.5 / speed] * 4, 0.5 / speed]
    assert theatre.clock.paused_s == pytest.approx(expected)


def test_progress_counts_the_frames(theatre: Theatre) -> None:
    theatre.play(Outcome.NO_OUTPUT)
    steps = [(d["value"], d["max"]) for name, d in theatre.events if name == "progress"]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_crash_is_asked_for_once_half_of_it_is_written(theatre: Theatre) -> None:
    with pytest.raises(LifeOver):
        theatre.play(Outcome.CRASH, restart_after_s=7.0)
    assert theatre.crashes_s == [7.0]
    assert theatre.run.frames_written == 2


def test_a_crash_among_stills_leaves_the_first_half(theatre: Theatre) -> None:
    with pytest.raises(LifeOver):
        theatre.play(Outcome.CRASH, saver=Saver.SAVE_IMAGE)
    written = [path for path in theatre.run.files if path.exists()]
    assert len(written) == 2


def test_answers_are_quick_again_after_the_sampling_even_if_it_is_interrupted(
    theatre: Theatre,
) -> None:
    theatre.play(Outcome.SLOW_ANSWERS, delay_s=3.0)
    assert theatre.delays_s == [3.0, 0.0]
    theatre.clock.interrupt()
    with pytest.raises(Interrupted):
        theatre.play(Outcome.SLOW_ANSWERS, delay_s=3.0)
    assert theatre.delays_s == [3.0, 0.0, 3.0, 0.0]


def test_an_interrupt_while_it_encodes_leaves_a_part(theatre: Theatre) -> None:
    class Late(Exception):
        """Stands for the interrupt."""

    def pause(seconds: float) -> None:
        if theatre.run.frames_written == 2:
            raise Late

    theatre.clock.pause = pause  # type: ignore[method-assign]
    with pytest.raises(Late):
        theatre.play()
    assert theatre.run.main_file is not None
    assert theatre.run.frames_written == 2


def test_vhs_numbers_go_on_beside_the_savers_own(theatre: Theatre) -> None:
    for saver in (Saver.VHS_VIDEO_COMBINE, Saver.SAVE_VIDEO, Saver.VHS_VIDEO_COMBINE):
        theatre.play(saver=saver, filename_prefix="x")
    names = [path.name for path in theatre.run.files]
    assert names == ["x_00001.png", "x_00001.mp4", "x_00002_.mp4", "x_00003.png", "x_00003.mp4"]
