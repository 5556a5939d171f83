"""What is remembered of prompts that ended, and which of them belong to a row."""

from __future__ import annotations

import pytest

from reconciler.comfyui.values import EndedNote, EndedPrompt, QueuedPrompt
from reconciler.core.evidence import Ending, EndKind, Place, Source
from reconciler.core.jobs import Job, Status
from reconciler.reconcile.notes import EndedNotes, NotedTags, ending_of
from reconciler.store.records import JobRecord, PromptRecord

NOW = 1000.0


def note(prompt_id: str, kind: EndKind = EndKind.SUCCESS, **more: object) -> EndedNote:
    return EndedNote(prompt_id, kind, **({"job_id": "42", "at": NOW} | more))  # type: ignore[arg-type]


def notes(*given: EndedNote, limit: int = 10) -> EndedNotes:
    kept = EndedNotes(limit)
    kept.add(given)
    return kept


def test_the_last_word_of_a_prompt_counts() -> None:
    kept = notes(note("p", EndKind.REMOVED), note("q"), note("p", EndKind.ERROR))
    known = kept.of("p")
    assert known is not None
    assert known.kind is EndKind.ERROR
    assert [each.prompt_id for each in kept] == ["q", "p"]


def test_the_oldest_go_first() -> None:
    kept = notes(*(note(f"p{n}") for n in range(25)))
    assert [each.prompt_id for each in kept] == [f"p{n}" for n in range(15, 25)]


def test_a_prompt_that_lives_has_not_ended() -> None:
    kept = notes(note("p"), note("q"))
    kept.forget(["p", "never heard of"])
    assert kept.of("p") is None
    assert kept.of("q") is not None


@pytest.mark.parametrize("kind", [EndKind.ERROR, EndKind.INTERRUPTED, EndKind.REMOVED])
def test_a_note_alone_proves_what_lists_no_files(kind: EndKind) -> None:
    ending = ending_of(note("p", kind))
    assert ending is not None
    assert (ending.kind, ending.source, ending.ended_at) == (kind, Source.SNAPSHOT, NOW)
    assert (ending.message is None) == (kind is EndKind.REMOVED)


def test_a_success_without_its_files_proves_nothing() -> None:
    assert ending_of(note("p", EndKind.SUCCESS)) is None


def row(job_id: str = "42", *, opened_at: float = NOW - 60, done: bool = False) -> JobRecord:
    status = Status.COMPLETED if done else Status.QUEUED
    job = Job(job_id, status, None, 1, None, opened_at)
    return JobRecord(job, status.value, None, None, status.value)


class History:
    """Answers from a dictionary; what is missing is absent."""

    def __init__(self, **ended: EndedPrompt | Place) -> None:
        self.ended = ended
        self.asked: list[str] = []

    def __call__(self, prompt: PromptRecord) -> EndedPrompt | Place:
        self.asked.append(prompt.prompt_id)
        return self.ended.get(prompt.prompt_id, Place.ABSENT)


def ended(prompt_id: str, began: float | None) -> EndedPrompt:
    prompt = QueuedPrompt(prompt_id, 1.0, client_id="app", created_at=began)
    return EndedPrompt(prompt, Ending(EndKind.SUCCESS, Source.HISTORY))


def found(tags: NotedTags, history: History, *rows: JobRecord, linked: str = "") -> list[str]:
    by_id = {each.job.id: each for each in rows}
    return [prompt.prompt_id for prompt in tags.new(by_id, set(linked.split()), history)]


def test_a_prompt_that_came_and_went_belongs_to_the_row_whose_id_it_carried() -> None:
    tags = NotedTags(notes(note("p"), note("q", job_id="7"), note("r", job_id=None)))
    assert found(tags, History(p=ended("p", NOW - 30)), row()) == ["p"]


def test_history_adds_what_it_knows() -> None:
    tags = NotedTags(notes(note("p")))
    (prompt,) = tags.new({"42": row()}, set(), History(p=ended("p", NOW - 30)))
    assert (prompt.job_id, prompt.client_id) == ("42", "app")


def test_without_history_the_note_alone_links() -> None:
    assert found(NotedTags(notes(note("p", EndKind.REMOVED))), History(), row()) == ["p"]


def test_what_is_linked_or_done_with_is_not_asked_for() -> None:
    history = History()
    tags = NotedTags(notes(note("p")))
    assert found(tags, history, row(), linked="p") == []
    assert found(tags, history, row(done=True)) == []
    assert history.asked == []


@pytest.mark.parametrize("at", [None, NOW - 66])
def test_one_that_ended_before_the_row_was_opened_is_anothers(at: float | None) -> None:
    assert found(NotedTags(notes(note("p", at=at))), History(), row()) == []


@pytest.mark.parametrize("began", [None, NOW - 66])
def test_one_that_began_before_the_row_is_anothers_and_asked_for_once(began: float | None) -> None:
    history = History(p=ended("p", began))
    tags = NotedTags(notes(note("p")))
    assert found(tags, history, row()) == []
    assert found(tags, history, row()) == []
    assert history.asked == ["p"]


def test_an_answer_that_did_not_come_is_asked_for_again() -> None:
    history = History(p=Place.UNKNOWN)
    tags = NotedTags(notes(note("p")))
    assert found(tags, history, row()) == []
    history.ended = {}
    assert found(tags, history, row()) == ["p"]


def test_a_follow_up_belongs_to_whom_its_first_prompt_belongs_to() -> None:
    record = row()
    record.prompts.append(PromptRecord("p", "42", 1))
    tags = NotedTags(notes(note("q", job_id=None, first_prompt_id="p")))
    history = History()
    (prompt,) = tags.new({"42": record}, {"p"}, history)
    assert (prompt.prompt_id, prompt.first_prompt_id) == ("q", "p")
    assert history.asked == []
    assert found(tags, history, row()) == [], "the first one is none of its prompts"
