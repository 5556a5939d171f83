"""Which prompts that carry a job's id are linked to its row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.jobs import Job, Status
from reconciler.reconcile.linking import MAX_REFUSED, TagLinks
from reconciler.reconcile.notes import CLOCK_SKEW_S
from reconciler.store.records import JobRecord, PromptRecord

NOW = 1_000_000.0


def row(
    *prompts: PromptRecord,
    named: str | None = None,
    job_id: str = "7",
    attempt: int = 1,
    status: Status = Status.QUEUED,
) -> dict[str, JobRecord]:
    """Job 7, opened now, which has these prompts and whose row names one."""
    job = Job(job_id, status, None, attempt, named, NOW)
    return {job_id: JobRecord(job, status, named, None, status, prompts=list(prompts))}


def prompt(prompt_id: str = "p", **more: object) -> QueuedPrompt:
    values = {"job_id": "7", "job_id_from": "node", "created_at": NOW + 1, **more}
    return QueuedPrompt(prompt_id, 1.0, **values)  # type: ignore[arg-type]


def judged(by_id: dict[str, JobRecord], *found: QueuedPrompt) -> dict[str, tuple[bool, str] | None]:
    links = TagLinks()
    verdicts = {p.prompt_id: links.judge(p, by_id) for p, _ in links.begin((f, 0) for f in found)}
    return {name: (v.links, v.why) if v else None for name, v in verdicts.items()}


@pytest.mark.parametrize("source", ["client", None, "somebody else"])
def test_the_clients_own_word_counts_at_once(source: str | None) -> None:
    """Without the pack nobody notes who said it: then it was the client."""
    own = PromptRecord("own", "7", 1)
    verdict = judged(row(own, named="own"), prompt(job_id_from=source, created_at=None))["p"]
    assert verdict == (True, "it carries this job's id")


def test_a_tag_nodes_word_counts_where_nothing_speaks_against_it() -> None:
    assert judged(row(), prompt())["p"] == (True, "a Tag node in its workflow names this job")
    assert judged(row(), prompt(created_at=NOW - CLOCK_SKEW_S))["p"] is not None
    earlier = PromptRecord("earlier", "7", 1)
    assert judged(row(earlier, attempt=2), prompt())["p"] == (
        True,
        "a Tag node in its workflow names this job",
    )


@pytest.mark.parametrize(
    ("by_id", "found", "why"),
    [
        (row(named="own"), [prompt()], "the job has a prompt of its own"),
        (row(PromptRecord("own", "7", 1)), [prompt()], "the job has a prompt of its own"),
        (row(), [prompt(created_at=None)], "the prompt is not known to be younger than the row"),
        (row(), [prompt(created_at=NOW - 6)], "the prompt is not known to be younger than the row"),
        (row(), [prompt(), prompt("q")], "so do those of 1 more: it is not clear which is meant"),
    ],
)
def test_a_tag_node_may_be_a_relic(
    by_id: dict[str, JobRecord], found: list[QueuedPrompt], why: str
) -> None:
    verdicts = judged(by_id, *found)
    wanted = (False, f"only a Tag node in its workflow names this job, and {why}")
    assert list(verdicts.values()) == [wanted] * len(found)


def test_a_follow_up_goes_where_its_first_prompt_went() -> None:
    by_id = row(PromptRecord("first", "7", 1), named="first")
    for source, job in (("node", "7"), ("client", "7"), ("node", "9"), (None, None)):
        follow_up = prompt(first_prompt_id="first", job_id_from=source, job_id=job)
        assert judged(by_id, follow_up)["p"] == (True, "prompt first of this job queued it")


def test_follow_ups_are_judged_after_what_they_follow_and_are_no_rivals() -> None:
    links, by_id = TagLinks(), row()
    found = [prompt("p2", first_prompt_id="p1"), prompt("p1")]
    order = [p for p, _ in links.begin((f, 0) for f in found)]
    assert [p.prompt_id for p in order] == ["p1", "p2"]
    first = links.judge(order[0], by_id)
    assert first is not None and first.links
    by_id["7"].prompts.append(PromptRecord("p1", "7", 1))
    second = links.judge(order[1], by_id)
    assert second is not None and second.links


def test_a_follow_up_of_a_refused_prompt_is_refused() -> None:
    links = TagLinks()
    ((relic, _),) = links.begin([(prompt("p1", created_at=NOW - 60), 0)])
    verdict = links.judge(relic, row())
    assert verdict is not None and not verdict.links
    ((later, _),) = links.begin([(prompt("p2", first_prompt_id="p1"), 0)])
    verdict = links.judge(later, row())
    assert verdict is not None
    assert not verdict.links


def test_a_follow_up_of_an_earlier_attempt_is_not_of_this_one() -> None:
    by_id = row(PromptRecord("first", "7", 1), attempt=2)
    follow_up = prompt(first_prompt_id="first", job_id_from="client")
    assert judged(by_id, follow_up)["p"] == (False, "it follows prompt first of attempt 1")


def test_a_refusal_is_told_once_and_stands() -> None:
    links = TagLinks()
    found = [prompt("p"), prompt("q")]
    for each, _ in links.begin((f, 0) for f in found):
        assert links.judge(each, row()) is not None
    ((alone, _),) = links.begin([(found[0], 0)])
    assert links.judge(alone, row()) is None, "who is left over is not therefore meant"


def test_refusals_are_forgotten_in_the_end() -> None:
    links = TagLinks()
    for number in range(MAX_REFUSED + 1):
        links.judge(prompt(f"p{number}", created_at=None), row())
    assert links.judge(prompt(f"p{MAX_REFUSED}", created_at=None), row()) is None
    assert links.judge(prompt("p0", created_at=None), row()) is not None


def test_what_concerns_no_open_row_is_passed_over() -> None:
    assert judged(row(job_id="8"), prompt(), prompt("q", job_id=None)) == {"p": None, "q": None}
    final = row(status=Status.COMPLETED)
    assert judged(final, prompt(), prompt("q", job_id_from="client")) == {"p": None, "q": None}


def test_of_two_reports_of_a_prompt_the_one_with_notes_counts() -> None:
    with_notes = prompt()
    without = replace(with_notes, job_id_from=None)
    for pair in ((with_notes, without), (without, with_notes)):
        assert TagLinks().begin((p, n) for n, p in enumerate(pair)) == [
            (with_notes, pair.index(with_notes))
        ]
