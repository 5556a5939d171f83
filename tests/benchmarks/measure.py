"""One measurement: a contender, a simulated ComfyUI, and an application with so many open jobs."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.outputs.inspect import inspect
from reconciler.simulator import Simulator, TruthEntry
from tests.benchmarks.application import Application, connect
from tests.benchmarks.contenders import Contender
from tests.benchmarks.cost import Cost, Meter
from tests.benchmarks.proxy import CountingProxy, Traffic
from tests.benchmarks.watcher import Watcher, inspected_at

#: The first prompt runs until all others are queued and known to everybody; it is not measured.
_FIRST_S, _FIRST_PER_JOB_S = 3.0, 0.04
#: Between the last submission and the rest, in seconds.
_SETTLE_S = 2.0
#: Files that are inspected once more, with nothing else going on, to know what a decode takes.
_DECODED_AGAIN = 9


@dataclass(frozen=True)
class Load:
    """What the application does."""

    #: Jobs that it keeps open; 0 = it does nothing at all.
    open_jobs: int
    #: Prompts that end, at least, before it comes to rest.
    ends: int
    #: How long prompts sample, in seconds; taken in turn.
    seconds: tuple[float, ...]
    #: How long it rests, its jobs open, one of them running and none ending; in seconds.
    rest_s: float
    #: How long rows are waited for at most before that, in seconds.
    patience_s: float = 60.0


@dataclass(frozen=True)
class Place:
    """Where to measure: an empty folder, a database with empty tables, a version of ComfyUI."""

    folder: Path
    database_url: str
    comfyui_version: str


@dataclass(frozen=True, slots=True)
class Reaction:
    """From the end of a prompt until an application hears that its row is right, in seconds."""

    waited_s: float
    #: How much of that went into inspecting the file.
    decode_s: float
    #: False where it was not right yet when the measurement ended: it takes longer than that.
    came: bool


@dataclass(frozen=True)
class Phase:
    """What ComfyUI served in so many seconds, in which so many prompts ended."""

    traffic: Traffic
    over_s: float
    ends: int


@dataclass(frozen=True)
class Measurement:
    """What one contender did under one load."""

    load: Load
    reactions: tuple[Reaction, ...]
    #: While prompts ended.
    busy: Phase
    rest: Phase
    cost: Cost
    #: An inspection of one of the files on its own, in seconds.
    inspection_s: float


def measure(contender: Contender, load: Load, place: Place) -> Measurement:
    """Lets prompts end under this load, then rests. Raises RuntimeError where a row is wrong."""
    with _set_up(contender, load, place) as (application, proxy, pid):
        busy, ends = _end_prompts(application, proxy, load)
        now = time.time()
        meter, counting = Meter(pid, place.database_url), _Counting(application, proxy)
        time.sleep(load.rest_s)
        rest, cost = counting.read(), meter.read()
        _check_rows(application)
        inspection_s = _inspection_s(ends)
        inspected = inspected_at(place.database_url)
        reactions = tuple(_reaction(e, application, inspected, inspection_s, now) for e in ends)
        return Measurement(load, reactions, busy, rest, cost, inspection_s)


@contextmanager
def _set_up(
    contender: Contender, load: Load, place: Place
) -> Iterator[tuple[Application, CountingProxy, int]]:
    output_dir = place.folder / "output"
    with (
        Simulator(output_dir, version=place.comfyui_version) as simulator,
        CountingProxy(simulator.url) as proxy,
        Watcher(place.database_url) as watcher,
        connect(place.database_url) as connection,
        contender(place.folder, proxy.url, output_dir, place.database_url) as pid,
    ):
        seconds = itertools.cycle(load.seconds or (0.0,)).__next__
        yield Application(simulator, connection, watcher, seconds), proxy, pid


def _end_prompts(
    application: Application, proxy: CountingProxy, load: Load
) -> tuple[Phase, list[TruthEntry]]:
    """What was served while prompts ended, and the ends."""
    if not load.open_jobs:
        time.sleep(_FIRST_S)  # what a start costs is not what idling costs
        return _Counting(application, proxy).read(), []
    first = application.submit(_FIRST_S + load.open_jobs * _FIRST_PER_JOB_S)
    application.fill(load.open_jobs)
    application.keep_open(load.open_jobs, until_ended=1)
    counting = _Counting(application, proxy)
    application.keep_open(load.open_jobs, until_ended=1 + load.ends)
    busy = counting.read()
    application.wait_until_running(application.block())
    application.close_late(load.patience_s)
    application.fill(load.open_jobs)
    time.sleep(_SETTLE_S)
    return busy, [end for end in application.ended().values() if end.prompt_id != first]


class _Counting:
    """Counts from its making until `read`."""

    def __init__(self, application: Application, proxy: CountingProxy) -> None:
        self._application, self._proxy = application, proxy
        self._ends = len(application.ended())
        self._began, self._began_s = proxy.traffic(), time.monotonic()

    def read(self) -> Phase:
        """What was served since the beginning."""
        ends = len(self._application.ended()) - self._ends
        served = self._proxy.traffic() - self._began
        return Phase(served, time.monotonic() - self._began_s, ends)


def _reaction(
    end: TruthEntry,
    application: Application,
    inspected: dict[str, float],
    inspection_s: float,
    now: float,
) -> Reaction:
    """Never more is called decoding than the file takes on its own, nor than there was time for
    between the prompt's end and the end of its inspection: an inspection may begin before."""
    assert end.ended_at is not None
    heard = application.watcher.final(end.prompt_id)
    done = inspected.get(end.main_file or "")
    decode_s = 0.0 if done is None else min(inspection_s, max(0.0, done - end.ended_at))
    waited_s = (now if heard is None else heard[0]) - end.ended_at
    return Reaction(waited_s, decode_s, heard is not None)


def _inspection_s(ends: list[TruthEntry]) -> float:
    files = [Path(end.main_file) for end in ends if end.main_file][-_DECODED_AGAIN:]
    took = []
    for file in files:
        began_s = time.monotonic()
        inspect(file)
        took.append(time.monotonic() - began_s)
    return statistics.median(took) if took else 0.0


def _check_rows(application: Application) -> None:
    """A fast answer that is wrong is no answer."""
    rows, ended = application.rows(), application.ended()
    for prompt_id, (status, path) in rows.items():
        end = ended.get(prompt_id)
        fits = status != "completed" if end is None else status in ("completed", "processing")
        if status == "completed" and end is not None:
            fits = Path(end.main_file or "/").name == Path(path or "").name
        if not fits and status != "queued":
            raise RuntimeError(f"the row of {prompt_id} says {status} {path}; the truth is {end}")
