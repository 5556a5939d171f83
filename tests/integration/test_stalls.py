"""The stall rule over hours, with the real passes and a real Postgres that tells simulated time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reconciler.comfyui.values import Look, QueuedPrompt, RunningState
from reconciler.core.evidence import Ending, EndKind, Source
from reconciler.core.policy import Policy, RunStage, StallMatch, StallPolicy, StallRule
from reconciler.errors import ServerRefused
from reconciler.store import open_store
from tests.integration.hours import PROMPT, Hours, PostgresTime, Time, ask
from tests.integration.reconciling import QUICK, Bench, listed, success

MIN, HOUR = 60.0, 3_600.0
#: The defaults, without a limit on servers that are down, and a success needs no file.
DEFAULTS = Policy(allow_no_output=True, server_down_timeout_s=None)
NODES = {"7": "KSampler", "8": "VAEDecode", "9": "SaveVideo"}

Begin = Callable[..., Hours]


@pytest.fixture
def begin(database: str, tmp_path: Path) -> Iterator[Begin]:
    """Makes the world: a row whose prompt begins to run, and a reconciler that was just started."""
    postgres = PostgresTime(database)
    time = Time(postgres.set)
    store = open_store(database)
    inspectors = ThreadPoolExecutor(1)

    def make(policy: Policy = DEFAULTS, frames: int | None = 240, **world: Any) -> Hours:
        ask(
            database,
            "insert into production_jobs (comfyui_job_id, job_type, frames) values (%s, %s, %s)",
            PROMPT,
            "video",
            frames,
        )
        known = {"node_types": NODES, "inspectors": inspectors} | world
        hours = Hours(store, time, tmp_path / "out", policy, **known)
        hours.url = database  # type: ignore[attr-defined]
        hours.come_up()
        hours.start_prompt()
        return hours

    yield make
    inspectors.shutdown()
    store.connection.close()
    postgres.close()


def says(hours: Hours) -> tuple[str, str | None]:
    """Status and error of the row, as the application sees them."""
    statement = "select status, error from production_jobs"
    ((status, error),) = ask(hours.url, statement)  # type: ignore[attr-defined]
    return status, error


def failed(hours: Hours) -> bool:
    return says(hours)[0] == "failed"


def told(hours: Hours) -> list[str]:
    """Every status that the row was ever given."""
    return [event.event.to_status for event in hours.store.jobs.story("1") if event.event.to_status]


def picture(hours: Hours) -> Ending:
    """A success with a file that is whole."""
    Image.new("RGB", (32, 32)).save(hours.root / "a.png")
    return success(listed("a.png"))


def steps(hours: Hours, until_s: float, *, since_s: float = 0.0, pause_s: float = 0.0) -> None:
    """A step each minute."""
    for minute in range(1, int((until_s - since_s) / MIN)):
        hours.at(since_s + minute * MIN + pause_s, partial(hours.progress, minute, 40))


def test_simulated_time_is_what_the_database_tells(begin: Begin) -> None:
    hours = begin(client_id="somebody")
    hours.until(3 * HOUR)
    assert hours.store.jobs.now() == pytest.approx(hours.time.database())
    (first, *_, last) = hours.store.jobs.story("1")
    assert hours.time.database() - first.at == pytest.approx(3 * HOUR, abs=1)
    assert failed(hours), "the budget of two hours is over"
    assert 0 < last.at - first.at - (180 + 30 * 240) <= MIN


def test_forty_minutes_with_a_step_each_minute(begin: Begin) -> None:
    hours = begin()
    steps(hours, 40 * MIN)
    hours.at(40 * MIN, partial(hours.server.end, PROMPT, success()))
    hours.until(41 * MIN)
    assert says(hours) == ("completed", None)
    assert set(told(hours)) == {"processing", "completed"}


def test_forty_minutes_of_a_job_whose_budget_is_three_and_a_half(begin: Begin) -> None:
    """An image that takes forty minutes, and tells of a step each minute: slow, not stalled."""
    hours = begin(frames=1)
    steps(hours, 40 * MIN)
    hours.until(41 * MIN)
    assert says(hours) == ("processing", None)
    hours.until(48 * MIN, stop=lambda: failed(hours))
    assert "running for 4" in (says(hours)[1] or ""), "over its budget, and silent for 5 minutes"


def test_progress_that_stops_at_thirty_percent(begin: Begin) -> None:
    hours = begin()
    steps(hours, 13 * MIN)
    hours.until(12 * MIN + 15 * MIN)
    assert says(hours) == ("processing", None)
    hours.until(12 * MIN + 15 * MIN + hours.every_s, stop=lambda: failed(hours))
    status, error = says(hours)
    assert status == "failed"
    assert error is not None
    assert error == (
        "stalled: no progress for 16 min at node 7 (KSampler), step 12 of 40 (limit 15 min)"
    )
    evidence = hours.store.jobs.story("1")[-1].event.evidence
    assert evidence["doing"] == "node 7 (KSampler), step 12 of 40"
    assert (evidence["run_stage"], evidence["no_progress_by"]) == ("sampling", "stall")


def test_what_was_seen_last_is_told_by_the_next_reconciler_too(begin: Begin) -> None:
    hours = begin()
    steps(hours, 13 * MIN)
    hours.until(14 * MIN)
    hours.go_down()
    hours.until(20 * MIN)
    hours.come_up()
    hours.until(35 * MIN)
    assert says(hours) == ("processing", None), "it has listened for a quarter of an hour only"
    hours.until(36 * MIN)
    error = says(hours)[1] or ""
    assert "at node 7 (KSampler), step 12 of 40, last heard 24 min ago" in error


@pytest.mark.parametrize("stands_still", [False, True])
@pytest.mark.parametrize("what", ["network", "reconciler", "both", "database"])
def test_two_hours_of_outage_in_the_middle_harm_nothing(
    begin: Begin, what: str, stands_still: bool
) -> None:
    """The budget of 72 frames is 39 minutes: it holds for what was watched, and no more."""
    hours = begin(frames=76)
    outage_s = 2 * HOUR
    steps(hours, 20 * MIN)
    hours.until(20 * MIN)
    if what in ("network", "both"):
        hours.set(network=False)
    if what in ("reconciler", "both"):
        hours.go_down()
    if what == "database":
        hours.set(database=False)
    if not stands_still:
        steps(hours, 40 * MIN, since_s=20 * MIN)
        hours.at(40 * MIN, partial(hours.server.end, PROMPT, success()))
    hours.until(20 * MIN + outage_s)
    hours.set(network=True, database=True)
    if hours.reconciler is None:
        hours.come_up()
    if stands_still:
        steps(hours, 40 * MIN, since_s=20 * MIN, pause_s=outage_s)
        hours.at(outage_s + 40 * MIN, partial(hours.server.end, PROMPT, success()))
    hours.until(outage_s + 41 * MIN)
    assert says(hours) == ("completed", None)
    assert set(told(hours)) == {"processing", "completed"}


def test_an_outage_beyond_the_limit_on_servers_is_mended_by_the_success(begin: Begin) -> None:
    """By default a server may be down for an hour; what is failed then comes back completed."""
    hours = begin(replace(DEFAULTS, server_down_timeout_s=HOUR))
    hours.until(MIN)
    hours.set(network=False)
    hours.at(40 * MIN, lambda: hours.server.end(PROMPT, picture(hours)))
    hours.until(2 * HOUR)
    assert (says(hours)[1] or "").startswith("server_down")
    hours.set(network=True)
    hours.search_history = True
    hours.until(2 * HOUR + 4 * MIN)
    assert says(hours) == ("completed", None)


def test_both_restart_and_the_same_prompt_is_queued_again(begin: Begin) -> None:
    """What it ran before counts no more: neither its seconds nor its steps."""
    hours = begin(frames=72)
    steps(hours, 38 * MIN)
    hours.until(38 * MIN)
    hours.go_down()
    hours.server.running = []
    hours.until(39 * MIN)
    hours.server.pending = [QueuedPrompt(PROMPT, 1.0)]
    hours.come_up()
    hours.until(40 * MIN)
    hours.start_prompt()
    steps(hours, 70 * MIN, since_s=40 * MIN)
    hours.until(78 * MIN)
    assert says(hours) == ("processing", None), "39 minutes from its start, not from the first one"
    hours.until(81 * MIN)
    assert (says(hours)[1] or "").startswith("stalled: running for 40 min")


def test_an_outage_before_its_start_adds_nothing_to_a_prompts_budget(begin: Begin) -> None:
    hours = begin(frames=72, client_id="somebody")
    hours.server.running, hours.server.pending = [], [QueuedPrompt(PROMPT, 1.0)]
    hours.until(10 * MIN)
    hours.set(network=False)
    hours.until(2 * HOUR)
    hours.set(network=True)
    hours.until(2 * HOUR + 5 * MIN)
    hours.start_prompt()
    hours.until(2 * HOUR + 5 * MIN + 38 * MIN)
    assert says(hours) == ("processing", None)
    hours.until(2 * HOUR + 5 * MIN + 42 * MIN)
    assert failed(hours)


def test_a_row_that_is_reopened_with_the_same_prompt_has_its_budget_anew(begin: Begin) -> None:
    hours = begin(frames=72, client_id="somebody")
    hours.until(10 * MIN)
    hours.set(network=False)
    hours.until(2 * HOUR)
    hours.set(network=True)
    hours.until(2 * HOUR + 32 * MIN)
    assert failed(hours), "39 minutes without those of the outage"
    statement = "update production_jobs set status = 'processing', error = null returning id"
    ask(hours.url, statement)  # type: ignore[attr-defined]
    hours.until(2 * HOUR + 32 * MIN + 38 * MIN)
    assert says(hours) == ("processing", None)
    hours.until(2 * HOUR + 32 * MIN + 42 * MIN)
    assert failed(hours), "and the outage is not left out once more"


def test_a_prompt_that_is_run_anew_by_another_process_starts_anew(begin: Begin) -> None:
    """The queue shows it running at every look: only the node pack tells that ComfyUI restarted."""
    hard = replace(DEFAULTS, stall=replace(DEFAULTS.stall, quiet_s=0))
    hours = begin(hard, frames=72, client_id="somebody")
    look = hours.server.look
    life = {"boot": "one", "since": 0.0}

    def with_pack() -> Look:
        state = RunningState(hours.s - life["since"], sign_age_s=1.0)  # type: ignore[operator]
        return replace(look(), boot_id=life["boot"], states={PROMPT: state}, complete=True)

    hours.server.look = with_pack  # type: ignore[method-assign]
    hours.until(30 * MIN)
    life |= {"boot": "two", "since": hours.s}
    hours.until(30 * MIN + 38 * MIN)
    assert says(hours) == ("processing", None)
    hours.until(30 * MIN + 41 * MIN)
    assert failed(hours)


def test_a_hang_that_nobody_hears_is_failed_by_its_budget(begin: Begin) -> None:
    """Another client's prompt, no node pack: a dead worker looks the same from outside."""
    hours = begin(frames=72, client_id="somebody")
    hours.until(39 * MIN)
    assert says(hours) == ("processing", None)
    hours.until(40 * MIN)
    assert says(hours)[1] == (
        "stalled: running for 40 min (budget 39 min, frames: 72); nothing tells us of its"
        " progress, so a slow run, a hang and a dead worker look the same, and only the budget"
        " applies"
    )


@pytest.mark.parametrize("sign", ["file", "snapshot"])
def test_a_slow_job_whose_only_sign_comes_every_fourteen_minutes(begin: Begin, sign: str) -> None:
    hours = begin()
    show = RunningState(sign_age_s=5.0, node_id="7", node_type="KSampler", value=1, maximum=9)
    grow = hours.grow if sign == "file" else lambda: hours.live.shown(PROMPT, show)
    for number in range(1, 8):
        hours.at(number * 14 * MIN, grow)
    hours.until(7 * 14 * MIN + 14 * MIN)
    assert says(hours) == ("processing", None)
    hours.until(7 * 14 * MIN + 16 * MIN)
    assert (says(hours)[1] or "").startswith("stalled: no ")


def test_silence_begins_anew_when_the_output_directory_comes_back(begin: Begin) -> None:
    """The file that it writes may have grown all the time."""
    hours = begin()
    hours.until(5 * MIN)
    hours.unmount()
    hours.until(40 * MIN)
    hours.mount()
    hours.until(40 * MIN + 14 * MIN)
    assert says(hours) == ("processing", None)
    hours.until(40 * MIN + 16 * MIN)
    assert failed(hours)


def test_a_slow_model_may_be_given_more_time_to_load(begin: Begin) -> None:
    """Until the sampler has told its first step it loads; then the other limit holds."""
    rule = StallRule(StallMatch(job_type="video", stage=RunStage.LOADING), no_progress_s=HOUR)
    hours = begin(replace(DEFAULTS, stall=StallPolicy(rules=(rule,))))
    hours.at(MIN, lambda: hours.live.node(PROMPT, "7"))
    hours.until(59 * MIN)
    assert says(hours) == ("processing", None)
    hours.progress(1, 40)
    hours.until(59 * MIN + 15 * MIN)
    assert says(hours) == ("processing", None)
    hours.until(59 * MIN + 16 * MIN)
    assert (says(hours)[1] or "").endswith("(KSampler), step 1 of 40 (limit 15 min)")


def test_a_model_that_loads_for_longer_than_the_rule_allows_names_the_rule(begin: Begin) -> None:
    rule = StallRule(StallMatch(stage=RunStage.LOADING), no_progress_s=HOUR)
    hours = begin(replace(DEFAULTS, stall=StallPolicy(rules=(rule,))))
    hours.at(MIN, lambda: hours.live.node(PROMPT, "7"))
    hours.until(62 * MIN)
    assert (says(hours)[1] or "").endswith("at node 7 (KSampler) (limit 1 h by stall.rules[0])")


def test_a_sign_of_life_between_the_two_looks_is_heard(begin: Begin) -> None:
    hours = begin()
    looks: list[float] = []

    def before_look() -> None:
        looks.append(hours.s)
        if looks.count(hours.s) == 2:  # the probe
            hours.progress(1, 40)

    hours.server.before_look = before_look
    hours.until(20 * MIN)
    assert len(looks) > len(set(looks)), "it was asked once more"
    assert says(hours) == ("processing", None)


def test_a_probe_that_gets_no_answer_is_no_verdict(begin: Begin) -> None:
    hours = begin()
    hours.until(14 * MIN)
    looks: list[float] = []

    def before_look() -> None:
        looks.append(hours.s)
        hours.set(network=looks.count(hours.s) == 1)

    hours.server.before_look = before_look
    hours.until(30 * MIN)
    assert len(looks) > len(set(looks)), "it was asked once more"
    assert set(told(hours)) == {"processing"}


INTERRUPTED = Ending(EndKind.INTERRUPTED, Source.HISTORY, node_id="7", node_type="KSampler")


def test_an_interrupted_prompt_stays_stalled(begin: Begin) -> None:
    hours = begin(replace(DEFAULTS, stall=StallPolicy(interrupt=True)))
    hours.until(16 * MIN)
    assert hours.server.interrupted == [PROMPT]
    verdict = says(hours)
    assert verdict[0] == "failed"
    hours.server.end(PROMPT, INTERRUPTED)
    hours.search_history = True
    hours.until(30 * MIN)
    assert says(hours) == verdict, "that it was interrupted is our own doing"
    assert hours.server.interrupted == [PROMPT], "once"


def test_a_node_that_ignores_the_interrupt_may_still_succeed(begin: Begin) -> None:
    hours = begin(replace(DEFAULTS, stall=StallPolicy(interrupt=True)))
    hours.until(60 * MIN)
    assert failed(hours), "it runs on, and the verdict stands"
    hours.server.end(PROMPT, picture(hours))
    hours.search_history = True
    hours.until(64 * MIN)
    assert says(hours) == ("completed", None)
    assert hours.store.jobs.story("1")[-1].event.kind == "late_success"


def test_a_prompt_that_got_on_after_all_is_not_interrupted(begin: Begin) -> None:
    """The rule may forbid it for some."""
    rule = StallRule(StallMatch(job_type="video"), interrupt=False)
    hours = begin(replace(DEFAULTS, stall=StallPolicy(interrupt=True, rules=(rule,))))
    hours.until(20 * MIN)
    assert failed(hours)
    assert hours.server.interrupted == []


def test_a_server_that_is_down_is_not_hidden_by_another_that_answers(
    database: str, tmp_path: Path
) -> None:
    """A job with prompts on both: the one that answers has forgotten its prompt."""
    bench = Bench(
        database, tmp_path, policy=replace(QUICK, server_down_timeout_s=0.0), names=("one", "two")
    )
    job = bench.insert(comfyui_job_id=PROMPT)
    bench.servers["one"].run(PROMPT)
    bench.servers["two"].run("another", job_id=job)
    bench.run_pass()
    bench.servers["one"].failing = ServerRefused("down")
    bench.run_pass()
    assert bench.says(job) == ("processing", None), "the other prompt runs"
    bench.servers["two"].forget("another")
    bench.passes(3)
    assert bench.says(job) == ("failed", "server_down")
    bench.close()
