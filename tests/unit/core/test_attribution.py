"""Whose a file is, from every kind of claim; and never two jobs'."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.attribution import (
    CLOCK_SKEW_S,
    STORAGE_SKEW_S,
    FileFacts,
    How,
    Link,
    Listing,
    Row,
    Whose,
    began_later,
    whose,
)

NOW = 1_000_000.0
ROWS = {"1": Row(NOW - 1000, NOW - 100), "2": Row(NOW - 1000, NOW - 100)}
LINKS = {"p1": Link("1"), "p2": Link("2")}
NOBODYS = Whose()


def facts(*listings: Listing, **said: object) -> FileFacts:
    return FileFacts(**{"changed_at": NOW, "listings": listings, "links": LINKS, **said})  # type: ignore[arg-type]


def lists(job: str, began: float | None = -50, ended: float | None = 1, **more: bool) -> Listing:
    """Job 1's prompt p1 lists it, and so on; it ran from and to so many seconds around the change
    of the file."""
    times = [None if each is None else NOW + each for each in (began, ended)]
    return Listing(job, f"p{job}", started_at=times[0], ended_at=times[1], **more)


def job_of(found: FileFacts, rows: dict[str, Row] = ROWS, **how: bool) -> str | None:
    return whose(found, rows, **how).job_id


def test_what_one_prompt_lists_is_its_jobs() -> None:
    assert whose(facts(lists("1")), ROWS) == Whose("1", "p1", How.LISTED)
    assert job_of(facts(lists("1", None, None))) == "1"
    assert job_of(facts(lists("1"), tag_job_id="another application's own id")) == "1"


@pytest.mark.parametrize("ended", [1, -CLOCK_SKEW_S - 1])
def test_several_prompts_of_one_job_may_list_it(ended: float) -> None:
    follow_up = replace(lists("1", -50, ended), prompt_id="p4")
    assert whose(facts(lists("1", -50, ended), follow_up), ROWS) == Whose("1", "p4", How.LISTED)


def test_what_nobody_claims_is_nobodys() -> None:
    assert whose(facts(), ROWS) == NOBODYS


def test_a_prompt_that_wrote_nothing_claims_nothing() -> None:
    reused = lists("2", reused=True)
    assert job_of(facts(lists("1"), reused)) == "1"
    assert job_of(facts(reused)) is None


def test_the_clock_of_the_storage_takes_no_file_from_the_only_one_that_lists_it() -> None:
    for began, ended in ((600, 660), (-660, -600)):
        assert job_of(facts(lists("1", began, ended))) == "1"
    assert began_later(lists("1", CLOCK_SKEW_S + 1, 99), NOW)
    assert not began_later(lists("1", CLOCK_SKEW_S, 99), NOW), "clocks differ a little"
    assert not began_later(lists("1", None, None), NOW)


@pytest.mark.parametrize("prompt", ["p1", "p2"])
def test_of_two_that_list_it_the_tag_tells(prompt: str) -> None:
    found = whose(facts(lists("1"), lists("2"), tag_prompt_id=prompt), ROWS)
    assert (found.job_id, found.prompt_id) == (prompt[1], prompt)
    assert found.dispute == f"overwritten by prompt {prompt}"


def test_of_two_that_list_it_the_time_tells() -> None:
    earlier, later = lists("1", -900, -CLOCK_SKEW_S - 1), lists("1", CLOCK_SKEW_S + 1, 900)
    for other in (earlier, later):
        for pair in ((other, lists("2")), (lists("2"), other)):
            found = whose(facts(*pair), ROWS)
            assert (found.job_id, found.dispute) == ("2", "overwritten by prompt p2")


def test_of_two_that_list_it_the_later_one_has_it_where_the_storages_clock_is_ahead() -> None:
    """The file seems to be changed after both had ended."""
    later = lists("2", -80, -60)
    for pair in ((lists("1", -900, -80 - CLOCK_SKEW_S), later), (later, lists("1", -900, -90))):
        assert whose(facts(*pair), ROWS).job_id == "2"
    assert job_of(facts(lists("1", -900, -81), later)) is None, "too close to tell"
    assert job_of(facts(lists("1", -900, -90), later, changed_at=NOW - 85)) is None


def test_of_two_that_list_it_the_manifest_tells_before_the_time() -> None:
    mine = replace(lists("1", -900, -CLOCK_SKEW_S - 1), unchanged=True)
    other = replace(lists("2"), unchanged=False)
    assert whose(facts(mine, other), ROWS).job_id == "1"
    both = replace(other, unchanged=True)
    assert whose(facts(mine, both), ROWS).job_id == "2", "nothing but the time is left"


@pytest.mark.parametrize(
    "pair",
    [
        (lists("1"), lists("2")),
        (lists("1", None, None), lists("2", None, None)),
        (lists("1", -90, -9), lists("2", -90, -9)),
        (lists("1", -90, -CLOCK_SKEW_S), lists("2")),
    ],
)
@pytest.mark.parametrize("tag", [None, "strange"])
def test_of_two_that_list_it_neither_without_evidence(
    pair: tuple[Listing, Listing], tag: str | None
) -> None:
    found = whose(facts(*pair, tag_prompt_id=tag), ROWS)
    assert found.job_id is None
    assert found.dispute == "claimed by jobs 1 and 2, and nothing in it tells whose it is"


@pytest.mark.parametrize(
    ("listing", "tag", "links", "owner"),
    [
        # A second thing speaks for the tag: the file was changed after the end,
        (lists("1", -900, -CLOCK_SKEW_S - 1), "strange", {}, None),
        (lists("1", -900, -CLOCK_SKEW_S - 1), "p2", {"p2": Link("2", NOW - 999)}, None),
        # or the other prompt is another job's, and still to end then.
        (lists("1"), "p2", {"p2": Link("2")}, None),
        (lists("1"), "p2", {"p2": Link("2", NOW - 40)}, None),
        (replace(lists("1"), unchanged=False), "strange", {}, None),
        # The tag stands alone: the application sent an earlier prompt's again.
        (lists("1"), "strange", {}, "1"),
        (lists("1"), "p2", {"p2": Link("2", NOW - 60)}, "1"),
        (lists("1", None, None), "p2", {"p2": Link("2", NOW - 60)}, "1"),
        # A follow-up may close what its first prompt opened.
        (lists("1", -900, -CLOCK_SKEW_S - 1), "p0", {"p0": Link("1")}, "1"),
        (lists("1", -900, -CLOCK_SKEW_S - 1), "p1", LINKS, "1"),
        (lists("1", -900, -CLOCK_SKEW_S - 1), None, {}, "1"),
        # The manifest saw this very file.
        (replace(lists("1", -900, -9), unchanged=True), "p2", {"p2": Link("2")}, "1"),
    ],
)
def test_a_tag_against_the_only_list(
    listing: Listing, tag: str | None, links: dict[str, Link], owner: str | None
) -> None:
    found = whose(facts(listing, tag_prompt_id=tag, links=links), ROWS)
    assert found.job_id == owner
    assert found.dispute == ("" if owner else f"overwritten by prompt {tag}")


@pytest.mark.parametrize("tag_job", ["1", None, "p1"])
def test_a_tag_counts_if_its_prompt_is_linked_to_its_job(tag_job: str | None) -> None:
    found = facts(tag_job_id=tag_job, tag_prompt_id="p1")
    assert whose(found, ROWS) == Whose("1", "p1", How.TAG)


@pytest.mark.parametrize(
    "said",
    [
        {"tag_job_id": "1", "tag_prompt_id": "strange"},
        {"tag_job_id": "1", "tag_prompt_id": "p2"},
        {"tag_job_id": "1", "tag_prompt_id": "p1", "changed_at": NOW - 1000 - STORAGE_SKEW_S - 1},
        {"tag_job_id": "3", "tag_prompt_id": "p3", "links": {"p3": Link("3")}},
        {"tag_job_id": "1", "tag_prompt_id": "strange", "named_job_id": "1"},
    ],
)
def test_a_tag_that_does_not_count(said: dict[str, object]) -> None:
    assert job_of(facts(**said)) is None


def test_a_tag_is_good_from_the_rows_creation_on() -> None:
    tagged = facts(tag_prompt_id="p1", changed_at=NOW - 1000 - STORAGE_SKEW_S)
    assert job_of(tagged) == "1", "whatever attempt is open now"


def test_a_bare_job_id() -> None:
    bare = facts(tag_job_id="1")
    assert whose(bare, ROWS) == Whose("1", None, How.BARE_TAG)
    assert job_of(bare, accept_bare=False) is None
    assert job_of(replace(bare, changed_at=NOW - 101)) is None, "older than the attempt"
    assert job_of(replace(bare, listings=(lists("2", reused=True),))) is None
    assert job_of(bare, {"2": ROWS["2"]}) is None


def test_a_name() -> None:
    by_job, by_prompt = facts(named_job_id="1"), facts(named_prompt_id="p1")
    assert whose(by_job, ROWS) == Whose("1", None, How.NAME)
    assert whose(by_prompt, ROWS) == Whose("1", "p1", How.NAME)
    assert job_of(replace(by_job, tag_job_id="1")) == "1"


@pytest.mark.parametrize(
    "said",
    [
        {"named_job_id": "1", "tag_job_id": "2"},
        {"named_job_id": "1", "tag_prompt_id": "strange"},
        {"named_job_id": "1", "named_prompt_id": "p2"},
        {"named_job_id": "3"},
        {"named_prompt_id": "strange"},
        {"named_job_id": "1", "changed_at": NOW - 101},
        {"named_prompt_id": "p1", "changed_at": NOW - 1000 - STORAGE_SKEW_S - 1},
        {"named_job_id": "1", "listings": (lists("2", reused=True),)},
    ],
)
def test_a_name_against_other_evidence(said: dict[str, object]) -> None:
    assert job_of(facts(**said)) is None


#: Few ids and times, so that claims collide.
ids = st.sampled_from(["1", "2", "3"])
prompts = st.sampled_from(["p1", "p2", "p3", "p4", "p5", "strange"])
times = st.none() | st.integers(-60, 60).map(lambda s: NOW + s)
owners = {"p1": "1", "p2": "2", "p3": "3", "p4": "1", "p5": "2"}
listings = st.builds(
    lambda prompt, *told: Listing(owners[prompt], prompt, *told),
    st.sampled_from(sorted(owners)),
    st.booleans(),
    times,
    times,
    st.none() | st.booleans(),
)
claims = st.builds(
    FileFacts,
    changed_at=st.integers(-60, 60).map(lambda s: NOW + s),
    tag_job_id=st.none() | ids,
    tag_prompt_id=st.none() | prompts,
    named_job_id=st.none() | ids,
    named_prompt_id=st.none() | prompts,
    listings=st.lists(listings, max_size=4, unique_by=lambda each: each.prompt_id).map(tuple),
    links=st.dictionaries(prompts.filter(owners.__contains__), times, max_size=5).map(
        lambda ends: {prompt: Link(owners[prompt], ended) for prompt, ended in ends.items()}
    ),
)
rows = st.builds(lambda opened: Row(NOW - 100, NOW + opened), st.integers(-90, 60))


@settings(max_examples=500)
@given(claims, st.fixed_dictionaries(dict.fromkeys("123", rows)), st.booleans())
def test_no_file_is_ever_two_jobs(
    found: FileFacts, all_rows: dict[str, Row], accept_bare: bool
) -> None:
    """Each job asks for itself, knowing only its own row."""
    takers = {
        job
        for job, row in all_rows.items()
        if whose(found, {job: row}, accept_bare=accept_bare).job_id == job
    }
    assert len(takers) <= 1


@settings(max_examples=500)
@given(claims, st.fixed_dictionaries(dict.fromkeys("123", rows)))
def test_the_order_of_the_lists_does_not_matter(found: FileFacts, all_rows: dict[str, Row]) -> None:
    backwards = replace(found, listings=found.listings[::-1])
    assert whose(found, all_rows).job_id == whose(backwards, all_rows).job_id


@settings(max_examples=500)
@given(claims, st.fixed_dictionaries(dict.fromkeys("123", rows)))
def test_whoever_has_it_claims_it(found: FileFacts, all_rows: dict[str, Row]) -> None:
    owner = whose(found, all_rows)
    written = {each.job_id for each in found.listings if not each.reused}
    spoken = {found.tag_job_id, found.named_job_id} | {
        link.job_id
        for prompt, link in found.links.items()
        if prompt in (found.tag_prompt_id, found.named_prompt_id)
    }
    assert (owner.job_id is None) == (owner.how is None)
    assert owner.job_id is None or owner.job_id in written | spoken
    assert owner.how is not How.LISTED or owner.job_id in written
    assert owner.how in (None, How.LISTED) or not written, "no weaker claim beside a writer's"


@settings(max_examples=500)
@given(claims, st.fixed_dictionaries(dict.fromkeys("123", rows)))
def test_more_belief_takes_no_file_from_its_owner(
    found: FileFacts, all_rows: dict[str, Row]
) -> None:
    strict = whose(found, all_rows, accept_bare=False)
    assert strict.job_id is None or whose(found, all_rows) == strict
