"""What is expected of a main output: by row, Expect Frames node, graph and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reconciler.core.evidence import Ending
from reconciler.core.expectation import Expectation, FrameRule, SaverPromise
from reconciler.core.expecting import ExpectPolicy, ExpectRule
from tests.integration.reconciling import Bench, listed, success

Begin = Callable[..., Bench]
PROMPT = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def begin(database: str, tmp_path: Path) -> Iterator[Begin]:
    made: list[Bench] = []

    def make(policy: ExpectPolicy | None = None, ddl: str = "") -> Bench:
        made.append(Bench(database, tmp_path, expect=policy or ExpectPolicy()))
        if ddl:  # the table is read when the service starts, so it starts again
            made[0].sql(ddl)
            made.append(Bench(database, tmp_path, expect=policy or ExpectPolicy()))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def film(bench: Bench, frames: int = 6, delay_ms: int = 50) -> None:
    pictures = [Image.new("RGB", (32, 32), (40 * n, 10, 200 - 30 * n)) for n in range(frames)]
    more = {"append_images": pictures[1:], "duration": delay_ms, "lossless": True}
    pictures[0].save(bench.root / "a.webp", save_all=True, **more)


def outcome(bench: Bench, ending: Ending | None = None, **row: Any) -> tuple[str, str, list[str]]:
    """Status, error and what the story says of expectations."""
    film(bench)
    job = bench.insert(comfyui_job_id=PROMPT, **row)
    bench.server.end(PROMPT, ending or success(listed("a.webp")))
    bench.passes(6)
    found = bench.row(job)
    facts = bench.store.jobs.story(job)[-1].event.evidence["outputs"]
    return found["status"], found["error"] or "", facts[0].get("expected", [])


def test_the_row_goes_before_the_node_and_the_story_says_so(begin: Begin) -> None:
    ending = success(listed("a.webp"), expected_frames=7)
    status, _, told = outcome(begin(), ending, frames=6)
    assert status == "completed"
    assert told == ["expected 6 frames (the row; Expect Frames node says 7 frames), found 6"]


def test_frames_that_are_missing_fail_the_job(begin: Begin) -> None:
    status, error, _ = outcome(begin(), frames=7)
    assert (status, error) == ("failed", "invalid_output: a.webp: 6 of 7 frames")


def test_the_workflow_counts_where_nobody_else_speaks(begin: Begin) -> None:
    promise = SaverPromise("9", "SaveAnimatedWEBP", fps=10.0, frames=6)
    ending = replace(success(listed("a.webp")), promises=(promise,))
    status, error, told = outcome(begin(), ending)
    assert (status, error) == ("failed", "invalid_output: a.webp: 20.0 of 10 frames a second")
    assert told[0].startswith("expected 6 frames (the workflow's node 9 (SaveAnimatedWEBP))")


DEFAULT = "alter table production_jobs alter frames set default 120"


def test_a_default_of_the_column_is_nobodys_expectation(begin: Begin) -> None:
    status, error, told = outcome(begin(ddl=DEFAULT))
    assert (status, error) == ("completed", "")
    assert told == ["the row's 120 frames are its column's default: nobody's expectation"]


def test_a_default_counts_where_the_settings_say_so(begin: Begin) -> None:
    status, error, _ = outcome(begin(ExpectPolicy(column_default_counts=True), DEFAULT))
    assert (status, error) == ("failed", "invalid_output: a.webp: 6 of 120 frames")


def test_rules_by_job_type(begin: Begin) -> None:
    size = ExpectRule("film*", values=Expectation(width=64, height=64), frames=FrameRule.IGNORE)
    status, error, _ = outcome(begin(ExpectPolicy(rules=(size,))), job_type="Film-1", frames=9)
    assert (status, error) == (
        "failed", "invalid_output: a.webp: 32 x 32 instead of 64 x 64 pixels"
    )  # fmt: skip


def test_other_columns_are_believed_where_the_settings_name_them(begin: Begin) -> None:
    ddl = "alter table production_jobs add column fps numeric, add column width text"
    policy = ExpectPolicy(columns=frozenset({"fps", "width"}))
    status, error, _ = outcome(begin(policy, ddl), fps=16, width="wide")
    assert (status, error) == ("failed", "invalid_output: a.webp: 20.0 of 16 frames a second")


def test_a_still_has_no_frames_to_expect(begin: Begin) -> None:
    bench = begin()
    job = bench.insert(comfyui_job_id=PROMPT, frames=120)
    bench.server.end(PROMPT, success(bench.image("a.png")))
    bench.passes(6)
    assert bench.says(job) == ("completed", None)
