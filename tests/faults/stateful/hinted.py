"""The service's loop in simulated time: hints come through a channel that may be bad, and a pass
over everything comes with the interval."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from tests.faults.stateful.agent import Agent
from tests.faults.stateful.client import INTERVAL_S
from tests.faults.stateful.comfyui import OUTCOMES, Comfy, Outcome
from tests.faults.stateful.prompts import Prompt
from tests.faults.stateful.world import Row, World

Channel = Literal["lossless", "half of them lost", "all lost", "doubled", "reordered"]
CHANNELS: tuple[Channel, ...] = Channel.__args__  # type: ignore[attr-defined]
#: What is written over another job's file is damage to whoever looks later, and a hint more or less
#: decides who that is.
ENDS = [outcome for outcome in OUTCOMES if outcome != "overwritten"]
#: A hint that is out of order comes so much later at most.
LATE_S = 90.0
#: What a row says that no channel may change.
Final = tuple[str, str | None, str | None, str | None]


@dataclass
class Hinted:
    """What happens, when, and which hints of it come through."""

    world: World
    channel: Channel
    chance: Random
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, s: float, happens: Callable[[], None]) -> None:
        """In seconds of the machine's clock."""
        heapq.heappush(self._due, (s, next(self._numbers), happens))

    def run(self, for_s: float) -> None:
        """Lets things happen, hints come, and passes be made."""
        end_s, next_pass_s = self.world.time.s + for_s, self.world.time.s
        while self.world.time.s < end_s:
            due_s = self._due[0][0] if self._due else end_s
            to_s = min(due_s, next_pass_s, end_s)
            self.world.sleep(max(0.0, to_s - self.world.time.s))
            if due_s <= to_s and self._due:
                heapq.heappop(self._due)[2]()
            else:
                self._look(None, scan=True)
                next_pass_s = to_s + INTERVAL_S / 2

    def hint(self, server: str) -> None:
        """Something happened at this server."""
        if self.channel == "all lost" or (
            self.channel == "half of them lost" and self.chance.random() < 0.5
        ):
            return
        times = 2 if self.channel == "doubled" else 1
        for _ in range(times):
            late_s = self.chance.uniform(0, LATE_S) if self.channel == "reordered" else 0.0
            self.at(self.world.time.s + late_s, lambda: self._look([server], scan=False))

    def _look(self, look_at: list[str] | None, *, scan: bool) -> None:
        agent = self.world.agent(0)
        assert isinstance(agent, Agent)
        if scan:
            agent.scan()
        agent.settle()
        self.world.run_pass(0, look_at, search=scan)


def play(world: World, channel: Channel, seed: int, jobs: int) -> list[Final]:
    """The same jobs end in the same ways at the same times, whatever is heard of it. What the rows
    say in the end, in the order in which they were made."""
    script, hinted = Random(seed), Hinted(world, channel, Random(seed + 1))
    rows: list[Row] = []
    at_s = world.time.s
    for number in range(jobs):
        comfy = world.comfys[script.choice(["pack", "plain"])]
        outcome = ENDS[number % len(ENDS)]
        at_s += script.uniform(1, 40)
        _plan(hinted, comfy, outcome, script, rows, at_s)
    down, up = at_s - script.uniform(50, 300), at_s + script.uniform(0, 100)
    hinted.at(down, lambda: setattr(world.comfys["plain"], "network", "refused"))
    hinted.at(up, lambda: setattr(world.comfys["plain"], "network", "well"))
    hinted.run(at_s - world.time.s + 500)
    found = world.database.sql(
        "select status, split_part(error, ':', 1) as code, output_path, comfyui_job_id"
        " from production_jobs order by id"
    )
    folder = str(world.comfys["pack"].mount.parent)
    return [
        (f["status"], f["code"], f["output_path"] and f["output_path"].replace(folder, ""),
         # Who takes a job back before anybody has looked keeps a row without its prompt.
         f["comfyui_job_id"] if f["status"] != "cancelled" else None)
        for f in found
    ]  # fmt: skip


def _plan(
    hinted: Hinted, comfy: Comfy, outcome: Outcome, script: Random, rows: list[Row], at_s: float
) -> None:
    """One job: it is submitted, runs, ends, and may be taken back by its user."""
    world, tagged, cancels = hinted.world, script.random() < 0.5, script.random() < 0.15
    made: list[Prompt] = []

    def submit() -> None:
        prompt = world.new_prompt(comfy.name)
        row = world.insert(None if tagged else prompt.id)
        prompt.tag = row.id if tagged else None
        comfy.submit(prompt)
        made.append(prompt)
        rows.append(row)
        hinted.hint(comfy.name)

    def end() -> None:
        comfy.start()
        if comfy.running is not None:
            comfy.end(comfy.running, outcome)
            hinted.hint(comfy.name)

    def arrive() -> None:
        for name in list(comfy.late):
            comfy.arrive(name)
        hinted.hint(comfy.name)

    hinted.at(at_s, submit)
    hinted.at(at_s + script.uniform(1, 60), end)
    hinted.at(at_s + script.uniform(200, 400), arrive)
    if cancels:
        hinted.at(at_s + 0.5, lambda: world.write(rows[-1], "cancelled") and None)
