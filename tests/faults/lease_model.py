"""A model of agents and their leases, small enough that every schedule of it can be tried.

What an agent believes is the real thing (`core.lease.Holdings`); the database is the few lines of
SQL in `store/sql/agents.sql`, in Python. Steps of different agents interleave in every way: a
question is asked, answered by the database, heard or lost on the way back; a pass is begun on trust
and writes later. Between any two steps time goes by, on clocks that are not equally fast and may
leap ahead. One server is enough: leases of different ones have nothing to do with each other.

Times are whole numbers: a lease lasts 100, of which an agent trusts 90.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from reconciler.core.lease import Holdings, Lease, LeaseTerms

TERMS = LeaseTerms(200.0)
TICK = 25
#: How far an agent's clock goes in one tick: a tenth slow, right, a tenth fast.
SLOW, RIGHT, FAST = 22.5, 25.0, 27.5
SERVER = "gpu"


@dataclass(frozen=True, slots=True)
class Question:
    """Something that an agent asks the database: to renew a lease, or (None) to be given one."""

    lease: Lease | None
    asked_at: float
    #: What the database answered; None: it has not yet.
    answer: tuple[int | None] | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent. Its clock is its own."""

    clock: float = 0.0
    #: What `Holdings` knows: a lease and until when it is trusted.
    holds: tuple[Lease, float] | None = None
    question: Question | None = None
    #: The lease under which the pass was begun that is about to write.
    writing: Lease | None = None


@dataclass(frozen=True, slots=True)
class World:
    """All that is the case at one moment."""

    now: int
    holder: int | None
    epoch: int
    expires_at: int
    agents: tuple[Agent, ...]
    #: What went wrong, if anything.
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How agents behave, and the bugs that may be planted."""

    rates: tuple[float, ...]
    checks_epoch: bool = True
    margin: bool = True
    from_the_start: bool = True
    #: Clocks may leap ahead by this much at any moment.
    leap: float = 0.0
    #: False: only what is written is judged, and not what is believed.
    judges_trust: bool = True


def beginning(agents: int) -> World:
    """Nobody holds anything."""
    return World(0, None, 0, 0, tuple(Agent() for _ in range(agents)))


def steps(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """Everything that may happen next, in words, and the world after it."""
    yield "time goes by", _judged(_tick(world, rules), rules)
    for number, agent in enumerate(world.agents):
        for words, after in _steps_of(world, number, agent, rules):
            yield f"agent {number} {words}", _judged(after, rules)


def _tick(world: World, rules: Rules) -> World:
    agents = tuple(
        replace(agent, clock=agent.clock + rate)
        for agent, rate in zip(world.agents, rules.rates, strict=True)
    )
    return replace(world, now=world.now + TICK, agents=agents)


def _steps_of(world: World, number: int, agent: Agent, rules: Rules) -> Iterator[tuple[str, World]]:
    def with_agent(after: Agent, world: World = world) -> World:
        agents = list(world.agents)
        agents[number] = after
        return replace(world, agents=tuple(agents))

    if rules.leap:
        yield "sees its clock leap", with_agent(replace(agent, clock=agent.clock + rules.leap))
    if agent.question is None:
        lease = agent.holds[0] if agent.holds else None
        yield "asks", with_agent(replace(agent, question=Question(lease, agent.clock)))
    elif agent.question.answer is None:
        served, answer = _served(world, number, agent.question)
        asked = replace(agent.question, answer=(answer,))
        yield "is served", with_agent(replace(agent, question=asked), served)
        yield "is served, and hears nothing", with_agent(replace(agent, question=None), served)
    else:
        yield "hears the answer", with_agent(_heard(agent, rules))
    if agent.writing is None and agent.holds and agent.holds[0] in _trusted(agent, rules):
        yield "begins a pass", with_agent(replace(agent, writing=agent.holds[0]))
    if agent.writing is not None:
        yield "writes", with_agent(replace(agent, writing=None), _written(world, number, rules))


def _served(world: World, number: int, question: Question) -> tuple[World, int | None]:
    """The database's part, `renew_leases` and `acquire_leases`; and the epoch, if it is theirs."""
    expires_at = world.now + round(TERMS.lease_s)
    if question.lease is not None:
        if (world.holder, world.epoch) != (number, question.lease.epoch):
            return world, None
        return replace(world, expires_at=expires_at), world.epoch
    if world.holder not in (None, number) and world.now < world.expires_at:
        return world, None
    epoch = world.epoch + 1
    return replace(world, holder=number, epoch=epoch, expires_at=expires_at), epoch


def _heard(agent: Agent, rules: Rules) -> Agent:
    question = agent.question
    assert question is not None and question.answer is not None
    holdings, (epoch,) = _holdings(agent, rules), question.answer
    asked_at = question.asked_at if rules.from_the_start else agent.clock
    if question.lease is not None:
        holdings.renewed([question.lease], [] if epoch is None else [SERVER], asked_at)
    elif epoch is not None:
        holdings.granted({SERVER: epoch}, asked_at)
    known = list(holdings._until_s.items())
    return replace(agent, question=None, holds=known[0] if known else None)


def _written(world: World, number: int, rules: Rules) -> World:
    """`check_leases`, and what is to be true of every change that it lets pass."""
    lease = world.agents[number].writing
    assert lease is not None
    ours = (world.holder, world.epoch) == (number, lease.epoch)
    if ours or rules.checks_epoch:
        return world  # written, or refused
    return replace(world, wrong=f"agent {number} wrote what was stale")


def _judged(world: World, rules: Rules) -> World:
    """Nobody may trust what another one has."""
    if not rules.judges_trust:
        return world
    for number, agent in enumerate(world.agents):
        if _trusted(agent, rules) and world.holder != number:
            return replace(world, wrong=f"agent {number} trusts what agent {world.holder} has")
    return world


def _holdings(agent: Agent, rules: Rules) -> Holdings:
    holdings = Holdings(TERMS if rules.margin else _WithoutMargin(TERMS.takeover_s))
    if agent.holds is not None:
        holdings._until_s[agent.holds[0]] = agent.holds[1]
    return holdings


def _trusted(agent: Agent, rules: Rules) -> frozenset[Lease]:
    return _holdings(agent, rules).trusted(agent.clock)


class _WithoutMargin(LeaseTerms):
    @property
    def margin_s(self) -> float:
        return 0.0


def _key(world: World) -> tuple[object, ...]:
    """What of a world matters for all that can follow: times from now on, epochs from now back."""

    def age(lease: Lease | None) -> int | None:
        return None if lease is None else _ago(world, lease.epoch)

    def of(agent: Agent) -> tuple[object, ...]:
        question, holds, long_ago = agent.question, agent.holds, 2 * TERMS.lease_s
        return (
            None if holds is None else (age(holds[0]), max(holds[1] - agent.clock, 0.0)),
            None
            if question is None
            else (
                age(question.lease),
                min(agent.clock - question.asked_at, long_ago),
                None if question.answer is None else (_ago(world, question.answer[0]),),
            ),
            age(agent.writing),
        )

    left = max(world.expires_at - world.now, 0)
    return (world.holder, left, world.wrong is not None, *map(of, world.agents))


def _ago(world: World, epoch: int | None) -> int | None:
    """0 for the epoch of now, 1 for any before."""
    return None if epoch is None else min(world.epoch - epoch, 1)


@dataclass(frozen=True, slots=True)
class Explored:
    """How many worlds there are, and how one of them went wrong."""

    worlds: int
    counterexample: tuple[str, ...] | None = None


def explore(agents: int, rules: Rules, limit: int | None = None) -> Explored:
    """Every schedule, the shortest first, up to `limit` different worlds (None: all of them)."""
    first = beginning(agents)
    seen = {_key(first)}
    queue: deque[tuple[World, tuple[object, ...]]] = deque([(first, ())])
    while queue:
        world, before = queue.popleft()
        for words, after in steps(world, rules):
            path = (before, words)
            if after.wrong is not None:
                return Explored(len(seen), (*_words(path), after.wrong))
            key = _key(after)
            if key not in seen:
                seen.add(key)
                queue.append((after, path))
        if limit is not None and len(seen) >= limit:
            break
    return Explored(len(seen))


def _words(path: tuple[object, ...]) -> list[str]:
    words: list[str] = []
    while path:
        before, said = path
        words.append(str(said))
        path = before  # type: ignore[assignment]
    return words[::-1]


def walk(agents: int, rules: Rules, length: int, random: Random) -> Explored:
    """One schedule at random."""
    world, path = beginning(agents), []
    for _ in range(length):
        words, world = random.choice(list(steps(world, rules)))
        path.append(words)
        if world.wrong is not None:
            return Explored(length, (*path, world.wrong))
    return Explored(length)
