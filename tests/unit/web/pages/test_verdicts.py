"""ComfyUI's verdict beside ours."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.evidence import Ending, EndKind, Source
from reconciler.core.jobs import FailureCode
from reconciler.web.pages.job.actions import buttons
from reconciler.web.pages.job.verdicts import MAX_MESSAGE, beside, errors, prompt_lines
from tests.unit.cli.builders import job, prompt


def ended(kind: EndKind, **told: Any) -> Any:
    """A prompt that ended so, by the history."""
    return prompt(ending=Ending(kind, Source.HISTORY, **told))


@pytest.mark.parametrize(
    ("shown", "prompts", "agree", "words"),
    [
        (job("processing"), [], True, "has not told an end yet"),
        (job("processing"), [ended(EndKind.SUCCESS)], True, "being found out"),
        (job("completed"), [ended(EndKind.SUCCESS)], True, "Both say the same"),
        (job("completed"), [ended(EndKind.ERROR)], False, "says error"),
        (job("completed"), [], True, "files themselves prove it"),
        (job("cancelled"), [ended(EndKind.SUCCESS)], False, "cancelled all the same"),
        (job("failed", failure=FailureCode.LOST), [], False, "never told how it ended"),
        (job("failed"), [], True, "by somebody else"),
        (
            job("failed", failure=FailureCode.INVALID_OUTPUT),
            [ended(EndKind.SUCCESS)],
            False,
            "a file of it is damaged",
        ),
        (
            job("failed", failure=FailureCode.EXECUTION_ERROR),
            [ended(EndKind.SUCCESS), ended(EndKind.ERROR)],
            True,
            "Both say the same",
        ),
    ],
)
def test_a_difference_is_told_in_words(shown: Any, prompts: Any, agree: bool, words: str) -> None:
    both = beside(shown, prompts)
    assert both.agree is agree
    assert words in both.words


def test_an_error_has_its_node_and_what_it_said_bounded() -> None:
    ending = Ending(
        EndKind.ERROR, Source.HISTORY, node_id="7", node_type="<b>KSampler</b>",
        exception_type="ValueError", message="x\n" * MAX_MESSAGE,
    )  # fmt: skip
    old = prompt(attempt=1, ending=ending)
    (error,) = errors([old], 1)
    assert (error.node_id, error.node_type, error.exception_type) == (
        "7",
        "<b>KSampler</b>",
        "ValueError",
    )
    assert error.message is not None
    assert len(error.message) <= MAX_MESSAGE
    assert "\n" not in error.message
    assert errors([old], 2) == []


def test_prompts_of_the_newest_attempt_come_first() -> None:
    lines = prompt_lines([prompt(prompt_id="a"), prompt(prompt_id="b", attempt=2)], 2)
    assert [(line.prompt_id, line.is_current) for line in lines] == [("b", True), ("a", False)]


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        ("queued", ["recheck", "cancel", "forget"]),
        ("failed", ["recheck", "accept"]),
        ("completed", ["recheck"]),
    ],
)
def test_what_can_be_asked_for_fits_the_status(status: str, actions: list[str]) -> None:
    assert [button.action for button in buttons(job(status))] == actions
