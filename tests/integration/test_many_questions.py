"""Many prompts leave the queue between two looks: history is asked for pages and not for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.errors import ServerAnswer
from reconciler.reconcile import histories
from tests.integration.reconciling import Bench, error

JOBS = 60


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    bench.sql(
        "insert into production_jobs (comfyui_job_id)"
        " select 'p' || n from generate_series(1, %s) n",
        JOBS,
    )
    bench.server.pending = [QueuedPrompt(f"p{n}", float(n)) for n in range(1, JOBS + 1)]
    bench.passes(2)
    yield bench
    bench.close()


def asked(bench: Bench) -> list[str]:
    """What a pass asked the server, without the prompts' names."""
    bench.server.asked.clear()
    bench.run_pass()
    return [question.split()[0] for question in bench.server.asked]


def end_all(bench: Bench) -> None:
    for number in range(1, JOBS + 1):
        bench.server.end(f"p{number}", error())


def statuses(bench: Bench) -> list[tuple[str, int]]:
    found = bench.sql(
        "select status, count(*)::int as n from production_jobs group by 1 order by 1"
    )
    return [(row["status"], row["n"]) for row in found]


def test_one_page_tells_how_all_of_them_ended(bench: Bench) -> None:
    end_all(bench)
    assert asked(bench) == ["look", "newest"]
    assert statuses(bench) == [("failed", JOBS)]


def test_a_restarted_server_is_asked_once_a_look_and_not_for_each(bench: Bench) -> None:
    bench.server.pending = []
    assert asked(bench) == ["look", "newest"]
    missed = bench.sql("select distinct missing_looks from reconciler.prompts")
    assert missed == [{"missing_looks": 1}], "a whole page without them is a clean look"
    # The second look is doubted, and so looked at once more before they are lost.
    assert asked(bench) == ["look", "newest", "look", "newest"]
    assert statuses(bench) == [("failed", JOBS)]


def test_a_few_are_asked_for_by_name(bench: Bench) -> None:
    bench.server.end("p1", error())
    bench.server.end("p2", error())
    assert asked(bench) == ["look", "ending", "ending"]


def test_beyond_the_page_some_are_asked_for_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "PAGE_MOST", 10)
    monkeypatch.setattr(histories, "QUESTIONS", 15)
    end_all(bench)
    looks = 0
    while statuses(bench) != [("failed", JOBS)]:
        questions = asked(bench)
        looks += 1
        assert questions.count("newest") <= 1
        assert questions.count("ending") <= max(15, histories.PAGE_FROM)
        assert looks < 10
    codes = bench.sql("select distinct failure from reconciler.job_state")
    assert codes == [{"failure": "execution_error"}], "none was called lost while it waited"


def test_who_is_not_asked_for_stays_as_he_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "PAGE_MOST", 10)
    monkeypatch.setattr(histories, "QUESTIONS", 15)
    end_all(bench)
    told = bench.sql("select max(id) as id from reconciler.events")[0]["id"]
    bench.run_pass()
    assert statuses(bench) == [("failed", 25), ("queued", JOBS - 25)]
    news = bench.sql("select count(*) as n from reconciler.events where id > %s", told)
    assert news == [{"n": 25}], "nothing is told of those that wait for their turn"


def test_a_look_that_left_some_out_is_none_for_other_agents(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of those that wait may be in this history, and be lost by who counts such looks."""
    monkeypatch.setattr(histories, "PAGE_MOST", 10)
    monkeypatch.setattr(histories, "QUESTIONS", 25)
    bench.server.pending = []
    bench.sql("update reconciler.prompts set server = null")
    for number in range(1, 21):
        bench.server.end(f"another's {number}", error())
    looks, times = bench.gatherer.looks, []
    for now in (10.0, 20.0, 30.0, 40.0):
        looks.begin(now)
        bench.reconciler.run_pass()
        times.append(looks.clean().get("gpu"))
    assert times[:2] == [None, None], "sixty prompts, twenty-five at a time"
    assert times[3] is not None
    assert times[3] < 40.0


def test_a_slow_server_is_asked_for_each_in_its_turn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every question takes as long as all may: the first of them must not be the same in each."""
    monkeypatch.setattr(histories, "PAGE_FROM", 1000)
    monkeypatch.setattr(histories, "PATIENCE_S", 0.0)
    bench.sql("update reconciler.prompts set server = null")
    bench.server.pending = [QueuedPrompt(f"p{n}", 1.0) for n in range(4, JOBS + 1)]
    questions: set[str] = set()
    ask = histories.Histories.ask

    def one_question(self: Any, server: Any, prompt_id: str) -> object:
        monkeypatch.setattr(histories, "PATIENCE_S", 0.0)
        questions.add(prompt_id)
        return ask(self, server, prompt_id)

    monkeypatch.setattr(histories.Histories, "ask", one_question)
    for now in (10.0, 20.0, 30.0):
        monkeypatch.setattr(histories, "PATIENCE_S", 60.0)
        bench.gatherer.looks.begin(now)
        bench.reconciler.run_pass()
    assert questions == {"p1", "p2", "p3"}


def test_without_a_page_single_questions_have_answers(bench: Bench) -> None:
    end_all(bench)

    def too_long(max_items: int) -> None:
        raise ServerAnswer("more bytes than allowed")

    bench.server.newest = too_long  # type: ignore[assignment,method-assign]
    assert asked(bench) == ["look", *["ending"] * JOBS]
    assert statuses(bench) == [("failed", JOBS)]


def test_a_page_does_not_outlive_its_look(bench: Bench) -> None:
    """A prompt that leaves the queue after the page was read is in neither: the second look, which
    its absence asks for, reads another one."""
    late = "p1"
    bench.server.pending = [QueuedPrompt(late, 1.0)]
    bench.run_pass()  # all others are missing once
    looks = 0

    def between() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            bench.server.end(late, error())

    bench.server.before_look = between
    bench.run_pass()
    bench.run_pass()
    assert looks > 2
    (job,) = bench.sql("select id::text from production_jobs where comfyui_job_id = %s", late)
    assert bench.says(job["id"]) == ("failed", "execution_error")
