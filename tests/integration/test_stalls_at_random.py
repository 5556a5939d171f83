"""The stall rule over hours in which all sorts of things go wrong, thousands of times.

The passes are the real ones; the store is in memory and time is moved by hand (`hours`).
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from reconciler.core.jobs import FailureCode, Status
from reconciler.core.policy import Policy, StallPolicy
from reconciler.reconcile import servers
from reconciler.reconcile.servers import away_after_s
from tests.integration.hours import PROMPT, Hours, Time
from tests.integration.memory_store import MemoryStore
from tests.integration.reconciling import success

NOTHING_FAILED = (Status.PROCESSING, None)
STALLED = (Status.FAILED, FailureCode.STALLED)
JOB_S = 2_400.0
SILENCE_S = 900.0
#: A deaf websocket is replaced after a minute; twice in a row is bad luck.
DEAF_S = 120.0

#: What goes wrong, for how long, and whether the server stands still meanwhile.
KINDS = ["server", "socket", "deaf", "reconciler", "database", "frozen", "storage"]
KINDS += ["clock forward"]
#: Of these nobody watches the server: it may stand still and costs the job nothing.
UNWATCHED = ["server", "reconciler", "database", "frozen"]
LENGTHS = st.one_of(st.floats(1, 100), st.floats(100, 1_500), st.floats(5_000, 9_000))


def troubles_of(kinds: list[str]) -> Any:
    """When by the work that is done, what, for how long, and whether the server stands still."""
    each = st.tuples(st.floats(0, JOB_S), st.sampled_from(kinds), LENGTHS, st.booleans())
    return st.lists(each, max_size=6)


#: Nothing that was told is lost on deaf ears.
TROUBLES = troubles_of([kind for kind in KINDS if kind != "deaf"])
#: A clock that is set back makes verdicts late, by as much; never early.
ALL_TROUBLES = troubles_of([*KINDS, "clock back"])
Pauses = list[tuple[float, float]]
EVERY = st.sampled_from([60.0, 60.0, 20.0, 10.0])


def examples(number: int) -> Any:
    return settings(max_examples=number, deadline=None)


def policy(every_s: float, **stall: float) -> Policy:
    """A budget that the job nearly uses up: gaps that are too short to be told apart count."""
    budget_s = JOB_S + 7 * away_after_s(every_s) + 3 * every_s
    known = {"no_progress_s": SILENCE_S, "base_s": budget_s, "per_frame_s": 0.0}
    return Policy(
        stall=StallPolicy(**(known | stall)),  # type: ignore[arg-type]
        allow_no_output=True,
        server_down_timeout_s=None,
    )


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """What a pass costs besides: log lines, and a list of all mounts for each look."""
    with pytest.MonkeyPatch.context() as patch, capture_logs():
        patch.setattr(servers, "storage_marker", lambda root: "same" if root.exists() else None)
        yield


@contextmanager
def hours(of: Policy, every_s: float, client_id: str | None = None) -> Iterator[Hours]:
    """The reconciler has been up for a while; the prompt begins to run."""
    with tempfile.TemporaryDirectory() as folder:
        time = Time()
        store = MemoryStore(time.database, PROMPT)
        world = Hours(store, time, Path(folder) / "out", of, every_s, client_id)
        world.come_up()
        world.start_prompt()
        yield world


def begin(world: Hours, kind: str, for_s: float) -> None:
    if kind == "server":
        world.set(network=False)
    elif kind == "reconciler":
        world.go_down()
    elif kind == "storage":
        world.unmount()
    elif kind.startswith("clock"):
        world.time.set_database(for_s if kind == "clock forward" else -for_s)
    elif kind in ("deaf", "frozen"):
        world.set(**{kind: True})
    else:
        world.set(**{kind: False})


def end(world: Hours, kind: str) -> None:
    if kind == "server":
        world.set(network=True)
    elif kind == "reconciler":
        world.come_up()
    elif kind == "storage":
        world.mount()
    elif kind in ("deaf", "frozen"):
        world.set(**{kind: False})
    elif not kind.startswith("clock"):
        world.set(**{kind: True})


@dataclass
class Plan:
    """What was scheduled, in seconds since the beginning."""

    over_s: float = 0.0
    #: When nobody watched the server, and for how long; and the same while it stood still besides.
    outages: Pauses = field(default_factory=list)
    pauses: Pauses = field(default_factory=list)


def plan(world: Hours, troubles: list[tuple[float, str, float, bool]]) -> Plan:
    """Schedules the troubles, one after the other."""
    made = Plan()
    for at_s, kind, length_s, stands_still in sorted(troubles):
        for_s = min(length_s, DEAF_S) if kind == "deaf" else length_s
        begins = max(when(at_s, made.pauses), made.over_s + 1)
        made.over_s = begins + (0.0 if kind.startswith("clock") else for_s)
        world.at(begins, partial(begin, world, kind, for_s))
        world.at(made.over_s, partial(end, world, kind))
        if kind in UNWATCHED:
            made.outages.append((begins, for_s))
            made.pauses += [(begins, for_s)] if stands_still else []
    return made


def when(work_s: float, pauses: Pauses) -> float:
    """The time at which so much work is done."""
    at_s = work_s
    for begins, length in pauses:
        at_s += length if at_s >= begins else 0.0
    return at_s


def says(world: Hours) -> tuple[Status, FailureCode | None]:
    return world.store.jobs.says  # type: ignore[no-any-return]


def is_final(world: Hours) -> bool:
    return says(world)[0].is_final


#: A budget of a minute: where the steps are heard, it does a living job no harm.
TIGHT = {"base_s": 60.0}
HEARD = troubles_of([kind for kind in KINDS if kind not in ("deaf", "socket")])


@examples(300)
@given(
    case=st.one_of(
        st.tuples(ALL_TROUBLES, st.just({})),
        st.tuples(HEARD, st.just(TIGHT)),
    ),
    every_s=EVERY,
    seed=st.integers(0, 10**6),
)
def test_forty_minutes_with_a_step_each_minute_are_never_failed(case, every_s, seed):
    troubles, budget = case
    chance = random.Random(seed)
    with hours(policy(every_s, **budget), every_s) as world:
        made = plan(world, troubles)
        for step in range(1, 40):
            at_s = when(step * 60 + chance.uniform(-25, 25), made.pauses)
            world.at(at_s, partial(world.progress, step, 40))
        done_s = when(JOB_S, made.pauses)
        world.at(done_s, partial(world.server.end, PROMPT, success()))
        world.until(max(done_s, made.over_s) + 300, stop=lambda: is_final(world))
        written = world.store.jobs.written
        assert {word for word, _ in written} <= {"processing", "completed"}, written
        assert says(world) == (Status.COMPLETED, None)


@examples(60)
@given(troubles=TROUBLES, every_s=EVERY, stops_after=st.integers(1, 20))
def test_a_job_that_stops_at_thirty_percent_is_failed_in_time_and_not_before(
    troubles, every_s, stops_after
):
    """In time: when it was silent for long enough, from the last trouble on, and one pass more."""
    with hours(policy(every_s, base_s=1e7), every_s) as world:
        made = plan(world, troubles)
        for step in range(1, stops_after + 1):
            world.at(when(step * 60, made.pauses), partial(world.progress, step, 66))
        last_s = when(stops_after * 60, made.pauses)
        world.until(last_s + SILENCE_S)
        assert says(world) == NOTHING_FAILED, "not a second too early"
        silent_from = max(last_s, made.over_s)
        world.until(silent_from + SILENCE_S + 2 * every_s, stop=lambda: is_final(world))
        assert says(world) == STALLED
        assert world.store.jobs.record.reason.startswith("no ")


@examples(60)
@given(troubles=troubles_of(KINDS[:-1]), every_s=EVERY)
def test_a_hang_that_nobody_can_hear_is_failed_by_its_budget_and_not_before(troubles, every_s):
    """Another client's prompt without the node pack; a dead worker looks the same."""
    with hours(policy(every_s), every_s, client_id="somebody") as world:
        made = plan(world, troubles)
        budget_s = world.policy.stall.base_s
        world.until(made.over_s + budget_s + 3 * every_s, stop=lambda: is_final(world))
        assert says(world) == STALLED
        assert "only the budget applies" in world.store.jobs.record.reason
        outages_s = [
            s for begins, s in made.outages if begins < world.s and s > away_after_s(every_s)
        ]
        assert world.s > budget_s + sum(outages_s), "it was watched for longer than that"


@examples(60)
@given(troubles=ALL_TROUBLES, every_s=EVERY, seed=st.integers(0, 10**6), by_file=st.booleans())
def test_a_slow_job_with_a_sign_now_and_then_is_never_failed_by_silence(
    troubles, every_s, seed, by_file
):
    """Its only signs are a file that grows, or steps of many minutes each."""
    chance = random.Random(seed)
    with hours(policy(every_s, base_s=1e7), every_s) as world:
        made = plan(world, troubles)
        # A sign that falls on deaf ears is none: then there have to be more.
        deaf_s = (
            0 if by_file else sum((DEAF_S + 1) * (kind == "deaf") for _, kind, _, _ in troubles)
        )
        apart_s = (SILENCE_S - deaf_s) / 2 if deaf_s else SILENCE_S
        work_s = 0.0
        while work_s < JOB_S:
            work_s += chance.uniform(60, apart_s)
            sign = world.grow if by_file else partial(world.progress, work_s, JOB_S)
            world.at(when(work_s, made.pauses), sign)
        world.until(max(when(work_s, made.pauses), made.over_s), stop=lambda: is_final(world))
        assert says(world) == NOTHING_FAILED, world.store.jobs.written
