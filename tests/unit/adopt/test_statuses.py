"""Words of a status: what is understood, what is asked for, and what is never guessed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from reconciler.adopt.facts import Column
from reconciler.adopt.proposal import Confidence, Given, Proposal
from reconciler.adopt.words import MEANINGS, allowed_words, default_word, meaning
from reconciler.core.jobs import Status
from tests.unit.adopt.facts import column, propose, table, told, value

Words = Mapping[str, int]


def of(words: Words, status: Column | None = None, given: Given | None = None) -> Proposal:
    columns = [status] if status else [column("status")]
    return propose(table(*columns, statuses=words), given)


def statuses(proposal: Proposal) -> dict[str, list[str]]:
    names = (status.value for status in Status)
    return {name: value(proposal, name, "statuses") for name in names}


def enum(*labels: str) -> Column:
    return column("status", "job_state", labels=labels)


@pytest.mark.parametrize(
    ("word", "means"),
    [
        ("PENDING", Status.QUEUED),
        ("Queued", Status.QUEUED),
        ("running", Status.PROCESSING),
        ("in_progress", Status.PROCESSING),
        ("In Progress", Status.PROCESSING),
        ("in-progress", Status.PROCESSING),
        ("done", Status.COMPLETED),
        ("SUCCESS", Status.COMPLETED),
        ("error", Status.FAILED),
        ("canceled", Status.CANCELLED),
        ("aborted", Status.CANCELLED),
        *((word, None) for word in ("fertig", "2", "draft", "ready", "open", "stopped", "", "-")),
    ],
)
def test_what_a_word_means(word: str, means: Status | None) -> None:
    assert meaning(word) is means


def test_no_word_means_two_things() -> None:
    words = [word for each in MEANINGS.values() for word in each]
    assert len(words) == len(set(words))


def test_words_of_other_case_are_written_as_they_are() -> None:
    found = statuses(of({"PENDING": 5, "RUNNING": 2, "DONE": 90, "ERROR": 3}))
    assert found == {
        "queued": ["PENDING"],
        "processing": ["RUNNING"],
        "completed": ["DONE"],
        "failed": ["ERROR"],
        "cancelled": ["CANCELLED"],
    }


def test_of_several_words_the_most_frequent_is_written() -> None:
    found = statuses(of({"done": 3, "completed": 90, "success": 3}))
    assert found["completed"] == ["completed", "done", "success"]


def test_the_default_comes_before_a_more_usual_word() -> None:
    status = column("status", default="'waiting'::character varying", checks=())
    assert statuses(of({"waiting": 0, "queued": 0}, status))["queued"] == ["waiting", "queued"]


def test_an_enum_has_no_other_words() -> None:
    found = of({}, enum("queued", "running", "done", "error"))
    assert statuses(found)["cancelled"] == []
    assert not found.problems


def test_an_enum_that_lacks_a_needed_word() -> None:
    found = of({}, enum("QUEUED", "RUNNING", "DONE"))
    assert statuses(found)["failed"] is None
    assert "status has no word for failed, and takes no other" in found.problems[0].text
    assert found.problems[0].advice == "ALTER TYPE job_state ADD VALUE 'FAILED';"


def test_unknown_words_are_listed_and_left_alone() -> None:
    found = of({"pending": 2, "done": 9, "draft": 4})
    assert not found.problems
    assert "'draft' (4 rows). Rows with them are left alone" in told(found)
    assert not any("draft" in (words or ()) for words in statuses(found).values())


@pytest.mark.parametrize(
    "words",
    [
        {"wartend": 3, "fertig": 90, "fehler": 4},
        {"0": 3, "1": 1, "2": 90},
        {"pending": 3, "fertig": 90},  # what is completed here?
    ],
)
def test_words_that_nobody_can_know_are_asked_for(words: Words) -> None:
    found = of(words)
    assert "Nothing is guessed" in found.problems[0].text
    assert "completed: [...]" in (found.problems[0].advice or "")
    assert statuses(found)["completed"] is None
    assert {question.word for question in found.questions} == set(words) - {"pending"}


def test_answers_settle_it() -> None:
    answers = {"wartend": Status.QUEUED, "fertig": Status.COMPLETED, "fehler": Status.FAILED}
    found = of({"wartend": 3, "fertig": 90, "fehler": 4}, given=Given(answers=answers))
    assert not found.problems
    assert statuses(found)["queued"] == ["wartend"]
    assert statuses(found)["failed"] == ["fehler"]


def test_an_answer_adds_to_what_the_settings_say() -> None:
    settings = {Status.QUEUED: ("pending",), Status.COMPLETED: ("done",)}
    words = {"pending": 1, "done": 1, "entwurf": 1}
    found = of(words, given=Given(statuses=settings, answers={"entwurf": Status.QUEUED}))
    assert statuses(found)["queued"] == ["pending", "entwurf"]
    choice = found.choice("jobs", "statuses", "queued")
    assert choice is not None
    assert choice.confidence is Confidence.CERTAIN


def test_a_word_that_the_settings_leave_out_stays_out_and_is_told() -> None:
    found = of(
        {"pending": 1, "new": 7, "done": 1}, given=Given(statuses={Status.QUEUED: ("pending",)})
    )
    assert statuses(found)["queued"] == ["pending"]
    assert "'new' (7 rows). Rows with them are left alone" in told(found)
    assert not found.problems


def test_the_settings_settle_it_too() -> None:
    told_so = {
        Status.QUEUED: ("wartend",),
        Status.COMPLETED: ("fertig",),
        Status.FAILED: ("fehler",),
    }
    found = of({"wartend": 3, "fertig": 90, "fehler": 4}, given=Given(statuses=told_so))
    assert not found.problems
    assert statuses(found)["completed"] == ["fertig"]


def test_a_number_needs_words_of_numbers() -> None:
    status = column("status", "integer", default="0")
    assert of({"0": 1, "2": 5}, status).problems
    told_so = {s: (str(n),) for n, s in enumerate(Status)}
    assert not of({"0": 1, "2": 5}, status, Given(statuses=told_so)).problems


def test_a_word_that_is_too_long_is_a_problem() -> None:
    short = column("status", "varchar(8)", max_length=8)
    found = of({"pending": 1, "done": 5}, short)
    assert "varchar(8) is too short for ours" in (found.problems[0].advice or "")


CHECKS = {
    "CHECK (((status)::text = ANY ((ARRAY['a'::character varying])::text[])))": ("a",),
    "CHECK ((status = ANY (ARRAY['queued'::text, 'it''s'::text])))": ("queued", "it's"),
    "CHECK (((status = 'a'::text) OR (status = 'b'::text)))": ("a", "b"),
    "CHECK ((VALUE = ANY (ARRAY['x'::text])))": ("x",),
    "CHECK ((status <> 'a'::text))": None,
    "CHECK ((NOT (status = ANY (ARRAY['a'::text]))))": None,
    "CHECK ((length(status) > 2))": None,
    "CHECK ((status ~ '^[a-z]+$'::text))": None,
    "CHECK ((lower(status) = ANY (ARRAY['a'::text])))": None,
}


@pytest.mark.parametrize(("check", "words"), CHECKS.items())
def test_words_of_a_check(check: str, words: tuple[str, ...] | None) -> None:
    assert allowed_words(column("status", checks=(check,))) == words


def test_words_of_a_check_on_a_quoted_column() -> None:
    check = "CHECK ((\"State\" = ANY (ARRAY['a'::text])))"
    assert allowed_words(column("State", checks=(check,))) == ("a",)


@pytest.mark.parametrize(
    ("default", "word"),
    [
        ("'pending'::character varying", "pending"),
        ("'PENDING'::studio.\"State\"", "PENDING"),
        ("'it''s'::text", "it's"),
        ("f('x'::text)", None),
        ("lower('X'::text)", None),
        (None, None),
    ],
)
def test_the_word_of_a_new_row(default: str | None, word: str | None) -> None:
    assert default_word(column("status", default=default)) == word


SOME_WORDS = st.sampled_from(
    [word for each in MEANINGS.values() for word in each] + ["PENDING", "Done", "draft", "x", "9"]
)


@examples(st.dictionaries(SOME_WORDS, st.integers(0, 99)), st.booleans())
def test_nothing_is_invented(words: Words, is_enum: bool) -> None:
    """Every word has one meaning, none of the table's unknown words any, and an enum gets none."""
    status = enum(*words) if is_enum and words else column("status")
    found = of(words, status)
    chosen = {s: value(found, s.value, "statuses") or [] for s in Status}
    flat = [word for each in chosen.values() for word in each]
    assert len(flat) == len(set(flat))
    for each, own in chosen.items():
        choice = found.choice("jobs", "statuses", each.value)
        for word in own:
            assert meaning(word) is each
            assert word in words or (choice and choice.confidence is Confidence.ASSUMED)
            assert not (is_enum and words) or word in words
    if not found.problems:
        assert all(chosen[s] for s in Status if s is not Status.CANCELLED)
