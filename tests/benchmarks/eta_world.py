"""Histories of made-up studios: what ran where, how long, and what was to be heard of it meanwhile.

Nothing here is shared with what learns from it: durations are products of what differs between
servers, sizes and runs, with node after node, as a GPU would have it, and with accidents.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

#: Sizes that jobs come in.
FRAMES = (16, 24, 48, 72, 120)
PICTURES = ((512, 512), (768, 512), (1024, 576))


@dataclass(frozen=True)
class Recipe:
    """A node of a workflow: what it takes at 48 frames of 512x512 on an ordinary server."""

    node_id: str
    node_type: str
    seconds: float
    #: How its time grows with frames and with pixels.
    by_frames: float = 0.0
    by_pixels: float = 0.0
    steps: int = 0
    #: It is answered from the cache while the server's last prompt was of the same workflow.
    kept: bool = False
    #: A share of it passes before its first step.
    warm_up: float = 0.0


@dataclass(frozen=True)
class Studio:
    """What one history is drawn from."""

    seed: int
    workflows: dict[str, tuple[Recipe, ...]]
    #: How much longer each server takes.
    servers: dict[str, float]


@dataclass
class Played:
    """One run as it really was."""

    number: int
    workflow: str
    server: str
    frames: int
    width: int
    height: int
    began_s: float
    #: (node id, type, seconds, steps, warm-up in seconds) of those that ran.
    nodes: list[tuple[str, str, float, int, float]]
    cached: list[str]
    #: Of all nodes of the graph, by their ids.
    types: dict[str, str]
    #: The graph was seen; the times of the nodes are told at the end; progress is heard.
    shows_graph: bool = True
    tells_times: bool = True
    heard: bool = True
    #: What the settings expect of it.
    budget_s: float = 0.0
    ran_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.ran_s = sum(node[2] for node in self.nodes)

    @property
    def graph_nodes(self) -> int:
        """How many nodes the graph has."""
        return len(self.types)

    @property
    def ended_s(self) -> float:
        """When it ended."""
        return self.began_s + self.ran_s


def studio(seed: int) -> Studio:
    """Another one for each seed."""
    dice = random.Random(seed)
    workflows = {f"w{n}": _workflow(dice) for n in range(dice.randint(3, 5))}
    speeds = [1.0, dice.uniform(1.3, 2.2), dice.uniform(0.5, 0.9)]
    return Studio(seed, workflows, {f"gpu{n}": speed for n, speed in enumerate(speeds)})


def history(place: Studio, runs: int) -> Iterator[Played]:
    """Runs in the order in which they end on each server, which is slower in the second half."""
    dice = random.Random(place.seed * 7919 + 1)
    free_at = dict.fromkeys(place.servers, 0.0)
    last: dict[str, str] = {}
    mute = {name for name in place.workflows if dice.random() < 0.2}
    deaf = {name for name in place.servers if dice.random() < 0.15}
    for number in range(runs):
        server = min(free_at, key=lambda name: free_at[name])
        drift = 1.0 + (0.3 if number > runs / 2 and server == "gpu0" else 0.0)
        workflow = dice.choice(list(place.workflows)) if dice.random() < 0.4 else last.get(server)
        workflow = workflow or dice.choice(list(place.workflows))
        played = _play(
            place, dice, number, workflow, server, drift, warm=last.get(server) == workflow
        )
        played.began_s = free_at[server]
        played.tells_times = workflow not in mute
        played.heard = server not in deaf
        played.shows_graph = dice.random() > 0.1
        last[server] = workflow
        free_at[server] += played.ran_s + dice.expovariate(1 / 5)
        yield played


def _workflow(dice: random.Random) -> tuple[Recipe, ...]:
    """Loaders, small nodes, one or two samplers, something slow without steps, a saver."""
    small = [
        Recipe(f"{n}", dice.choice(["CLIPTextEncode", "LoraTag", "ImageScale", "Note"]),
               dice.uniform(0.01, 0.6))
        for n in range(10, 10 + dice.randint(3, 9))
    ]  # fmt: skip
    loaders = [
        Recipe(f"{n}", dice.choice(["CheckpointLoaderSimple", "UNETLoader", "VAELoader"]),
               dice.uniform(1, 20), kept=True)
        for n in range(1, 1 + dice.randint(1, 3))
    ]  # fmt: skip
    samplers = [
        Recipe(f"{n}", "KSampler", dice.uniform(15, 120), dice.uniform(0.8, 1.2),
               dice.uniform(0.9, 1.4), dice.choice([8, 20, 30]), warm_up=dice.uniform(0.0, 0.15))
        for n in range(30, 30 + dice.randint(1, 2))
    ]  # fmt: skip
    slow = [
        Recipe("40", "VAEDecode", dice.uniform(2, 25), 1.0, 1.0),
        Recipe("50", "VHS_VideoCombine", dice.uniform(1, 12), 1.0, 0.6),
    ]
    if dice.random() < 0.4:
        slow.insert(1, Recipe("41", "RIFE VFI", dice.uniform(10, 60), 1.0, 0.8))
    return (*loaders, *small, *samplers, *slow)


def _play(
    place: Studio,
    dice: random.Random,
    number: int,
    workflow: str,
    server: str,
    drift: float,
    *,
    warm: bool,
) -> Played:
    recipes = place.workflows[workflow]
    frames = dice.choice(FRAMES) if dice.random() < 0.5 else 48
    width, height = dice.choice(PICTURES) if dice.random() < 0.3 else PICTURES[0]
    whole = place.servers[server] * drift * dice.lognormvariate(0.0, 0.12)
    nodes, cached = [], []
    for recipe in recipes:
        if warm and recipe.kept and dice.random() < 0.95:
            cached.append(recipe.node_id)
            continue
        grown = (frames / 48) ** recipe.by_frames
        grown *= (width * height / 512**2) ** recipe.by_pixels
        seconds = recipe.seconds * grown * dice.lognormvariate(0.0, 0.1)
        seconds *= dice.lognormvariate(0.0, 0.35) if recipe.kept else whole
        if dice.random() < 0.01:  # a swapping host, a busy disk
            seconds *= dice.uniform(2, 5)
        warm_up = recipe.warm_up * seconds * (0.3 if warm else 1.0)
        nodes.append((recipe.node_id, recipe.node_type, seconds, recipe.steps, warm_up))
    return Played(
        number, workflow, server, frames, width, height, 0.0, nodes, cached,
        dict(sorted((recipe.node_id, recipe.node_type) for recipe in recipes)),
        budget_s=(30.0 + 2.5 * frames),
    )  # fmt: skip
