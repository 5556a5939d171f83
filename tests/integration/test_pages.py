"""Lists of jobs, page by page, over a real Postgres."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.jobs import FailureCode, Status
from reconciler.settings.jobs import JobsSettings
from reconciler.store import Store, open_store
from reconciler.store.cursors import BadCursor, Place, decode, encode
from reconciler.store.job_filter import JobFilter, Sort
from reconciler.store.pages import JobPage, NoSuchSort
from reconciler.store.views import JobView
from tests.integration.commands import Stage
from tests.integration.conftest import execute

HOUR_S = 3600.0
ALL = JobFilter()


@pytest.fixture
def stage(database: str) -> Iterator[Stage]:
    stage = Stage(database)
    yield stage
    stage.close()


def pages(store: Store, job_filter: JobFilter = ALL, **asked: Any) -> Iterator[JobPage]:
    """All pages of a list."""
    cursor = None
    while True:
        page = store.pages.page(job_filter, cursor=cursor, **asked)
        yield page
        if (cursor := page.next) is None:
            return


def ids(store: Store, job_filter: JobFilter = ALL, **asked: Any) -> list[str]:
    return [view.id for page in pages(store, job_filter, **asked) for view in page.jobs]


def crowd(stage: Stage, number: int, seed: int = 1) -> None:
    """Jobs of all kinds; some of them nobody has seen yet."""
    chance = random.Random(seed)
    for n in range(number):
        status = chance.choice(list(Status))
        row = {
            "job_type": chance.choice(["video", "image", None]),
            "comfyui_job_id": f"prompt-{n}",
            "error": chance.choice([None, "out of memory", "100% \\ lost_frames"]),
            "output_path": f"/out/Film_{n}.mp4",
        }
        if chance.random() < 0.2:
            job_id = stage.insert(status=status.value, **row)
        else:
            failure = chance.choice(["lost", "stalled"]) if status is Status.FAILED else None
            server = chance.choice(["gpu1", "gpu2", None])
            job_id = stage.known(status.value, row, server=server, failure=failure)
        made_s, ended_s = chance.randrange(20) * HOUR_S, chance.randrange(20) * HOUR_S
        values = {"id": job_id, "made": made_s, "ended": ended_s}
        stage.sql(
            f"update production_jobs set created_at = to_timestamp({values['made']}),"
            f" completed_at = to_timestamp({values['ended']}) where id = {job_id};"
            f" update reconciler.job_state set decided_at = to_timestamp({values['ended']})"
            f" where job_id = '{job_id}'"
        )


@pytest.fixture(scope="module")
def crowded(module_database: str) -> Iterator[Store]:
    stage = Stage(module_database)
    crowd(stage, 150)
    yield stage.store
    stage.close()


instants = st.none() | st.integers(0, 20).map(lambda hours: hours * HOUR_S)
filters = st.builds(
    JobFilter,
    statuses=st.frozensets(st.sampled_from(list(Status)), max_size=3),
    servers=st.frozensets(st.sampled_from(["gpu1", "gpu2", "other"]), max_size=2),
    job_types=st.frozensets(st.sampled_from(["video", "image", "x"]), max_size=2),
    failures=st.frozensets(st.sampled_from([FailureCode.LOST, FailureCode.STALLED]), max_size=1),
    created_after=instants,
    created_before=instants,
    ended_after=instants,
    ended_before=instants,
)


def is_wanted(view: JobView, wanted: JobFilter) -> bool:
    """The same as a filter, in plain words, of what people see."""
    ended = None
    if not view.is_open:
        ended = view.decided_at if view.decided_at is not None else view.completed_at
    ranges = (
        (view.created_at, wanted.created_after, wanted.created_before),
        (ended, wanted.ended_after, wanted.ended_before),
    )
    return (
        (not wanted.statuses or view.status in wanted.statuses)
        and (not wanted.servers or view.server in wanted.servers)
        and (not wanted.job_types or view.job_type in wanted.job_types)
        and (not wanted.failures or view.failure in wanted.failures)
        and all(
            (after is None and before is None)
            or (
                instant is not None
                and (after or 0) <= instant < (1e12 if before is None else before)
            )
            for instant, after, before in ranges
        )
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters, st.sampled_from(list(Sort)), st.booleans(), st.integers(1, 60))
def test_pages_have_every_job_that_is_wanted_once_and_in_order(
    crowded: Store, wanted: JobFilter, sort: Sort, descending: bool, limit: int
) -> None:
    found = [
        view
        for page in pages(crowded, wanted, sort=sort, descending=descending, limit=limit)
        for view in page.jobs
    ]
    everything = [view for view in crowded.views.all() if is_wanted(view, wanted)]
    assert sorted(view.id for view in found) == sorted(view.id for view in everything)
    assert found == sorted(found, key=lambda view: _key(view, sort, descending))


def _key(view: JobView, sort: Sort, descending: bool) -> tuple[Any, ...]:
    sign = -1 if descending else 1
    number = int(view.id)
    match sort:
        case Sort.ID:
            return (sign * number,)
        case Sort.CREATED:
            return (sign * (view.created_at or 0), sign * number)
        case Sort.UPDATED if view.decided_at is None:  # never seen: last, whichever way
            return (math.inf, sign * number)
        case Sort.UPDATED:
            flipped = [(-1 if descending else 1) * ord(c) for c in view.id]
            return (sign * (view.decided_at or 0), *flipped, 0 if descending is False else 1)
        case Sort.STATUS:
            order = ["processing", "queued", "failed", "completed", "cancelled"]
            return (sign * order.index(view.status), -number)


@pytest.mark.parametrize("sort", list(Sort))
def test_rows_that_arrive_between_two_pages_neither_shift_nor_repeat_anything(
    stage: Stage, sort: Sort
) -> None:
    there = [stage.known("completed") for _ in range(10)]
    first = stage.store.pages.page(JobFilter(), sort=sort, limit=4)
    stage.known("completed")
    stage.known("completed")
    seen = [view.id for view in first.jobs]
    cursor = first.next
    while cursor is not None:
        page = stage.store.pages.page(JobFilter(), sort=sort, limit=4, cursor=cursor)
        seen += [view.id for view in page.jobs]
        cursor = page.next
    assert sorted(seen) == sorted(there)


TEXTS = {
    "FILM_7.": ["film"],
    "100%": ["error"],
    "100_": [],
    "%": ["error"],
    "\\": ["error"],
    "prompt-x": ["prompt"],
    "later-prompt": ["linked"],
    "vid": ["type"],
    "\0": [],
    "nothing": [],
}


def test_a_text_is_found_where_it_stands_and_means_itself(stage: Stage) -> None:
    jobs = {
        "film": stage.known("completed", {"output_path": "/out/Film_7.mp4"}),
        "error": stage.known("failed", {"error": "100% \\ of it"}),
        "prompt": stage.known("queued", {"comfyui_job_id": "prompt-x"}),
        "type": stage.known("queued", {"job_type": "Video"}),
        "linked": stage.known("queued"),
    }
    stage.prompt(jobs["linked"], "later-prompt")
    for text, finds in TEXTS.items():
        for sort in (Sort.ID, Sort.UPDATED):
            found = ids(stage.store, JobFilter(text=text), sort=sort)
            assert found == [jobs[name] for name in finds], (text, sort)


def test_a_page_ends_before_everything_was_read_and_the_next_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = stage.known("failed", failure="lost")
    stage.sql(
        "insert into production_jobs (status) select 'completed' from generate_series(1, 1000)"
    )
    monkeypatch.setattr("reconciler.store.pages.SCAN_S", 0.0)
    lost = JobFilter(failures=frozenset({FailureCode.LOST}))
    read = list(pages(stage.store, lost, sort=Sort.ID, limit=10))
    assert [view.id for page in read for view in page.jobs] == [wanted]
    assert len(read) > 2


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "é",
        "A" * 20_000,
        "W10",  # []
        encode("id asc", Place(0, None, "1")),
        encode("id desc", Place(7, None, "1")),
        encode("id desc", Place(0, None, "no number")),
        encode("id desc", Place(0, None, "9" * 30)),
        encode("id desc", Place(-1, None, "1")),
        encode("id desc", Place(0, None, "\0")),
        encode("id desc", Place(0, None, "\ud800")),
    ],
)
def test_a_text_that_is_no_cursor_of_this_list_is_refused(crowded: Store, cursor: str) -> None:
    with pytest.raises(BadCursor):
        crowded.pages.page(JobFilter(), sort=Sort.ID, cursor=cursor)


def test_a_cursor_is_its_place() -> None:
    place = Place(1, "2026-12-01 00:00:00+00", "jöb/1")
    assert decode("created desc", encode("created desc", place)) == place


STUDIO = """
create type state as enum ('NEW', 'BUSY', 'OK', 'BAD', 'ODD');
create table "Shop %" (
    "key %" text primary key, status state not null, made timestamp, info jsonb, path json,
    prompt varchar(50)
);
insert into "Shop %" values
    ('a/1', 'NEW', '2026-01-01 10:00', '{"kind": "video"}', '"/out/a.mp4"', 'p1'),
    ('ü 2', 'OK', null, '{}', null, ''),
    ('c%3', 'ODD', '2026-01-01 11:00', null, null, null),
    ('d', 'BAD', 'infinity', '{"kind": "image"}', 'null', null);
"""
MAPPING = {
    "columns": {
        "id": "key %",
        "created_at": "made",
        "prompt_id": "prompt",
        "job_type": {"column": "info", "path": ["kind"]},
        "output_path": "path",
    },
    "statuses": {
        "queued": "NEW",
        "processing": "BUSY",
        "completed": "OK",
        "failed": "BAD",
        "cancelled": [],
    },
}


@pytest.fixture(params=["one database", "two"])
def studio(database: str, elsewhere: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A table that somebody else made, with our own tables beside it or elsewhere."""
    execute(database, STUDIO)
    own = elsewhere if request.param == "two" else None
    jobs = JobsSettings(**MAPPING)
    store = open_store(database, jobs_table='"Shop %"', jobs=jobs, own_url=own)
    execute(
        own or database,
        "insert into reconciler.job_state (job_id, known_status, server, decided_at)"
        " values ('a/1', 'queued', 'gpu', now()), ('gone', 'completed', 'gpu', now())",
    )
    with closing(store):
        yield store


STUDIO_ASKED: list[tuple[JobFilter, Sort, set[str]]] = [
    (JobFilter(), Sort.ID, {"a/1", "ü 2", "c%3", "d"}),
    (JobFilter(), Sort.STATUS, {"a/1", "ü 2", "c%3", "d"}),
    (JobFilter(), Sort.CREATED, {"a/1", "ü 2", "c%3", "d"}),
    (JobFilter(), Sort.UPDATED, {"a/1", "ü 2", "c%3", "d"}),
    (JobFilter(servers=frozenset({"gpu"})), Sort.UPDATED, {"a/1"}),
    (JobFilter(statuses=frozenset({Status.QUEUED})), Sort.CREATED, {"a/1"}),
    (JobFilter(statuses=frozenset({Status.CANCELLED})), Sort.STATUS, set()),
    (JobFilter(job_types=frozenset({"image"})), Sort.ID, {"d"}),
    (JobFilter(servers=frozenset({"gpu"})), Sort.ID, {"a/1"}),
    (JobFilter(text="/OUT/a"), Sort.CREATED, {"a/1"}),
    (JobFilter(text="P1"), Sort.UPDATED, {"a/1"}),
    (JobFilter(text="%3"), Sort.STATUS, {"c%3"}),
    # 11:00 in UTC
    (JobFilter(created_after=1767265200.0), Sort.CREATED, {"c%3"}),
]


def test_a_table_with_names_words_and_types_of_its_own(studio: Store) -> None:
    for wanted, sort, finds in STUDIO_ASKED:
        for limit in (1, 50):
            found = ids(studio, wanted, sort=sort, limit=limit)
            assert (len(found), set(found)) == (len(finds), finds), (wanted, sort)


def test_a_table_without_times_is_sorted_by_what_it_has(database: str) -> None:
    execute(
        database,
        "create table production_jobs (id serial primary key, comfyui_job_id text, status text)",
    )
    with closing(open_store(database)) as store:
        assert store.pages.sort_for(JobFilter()) is Sort.UPDATED
        assert Sort.CREATED not in store.pages.sorts
        with pytest.raises(NoSuchSort, match="no column"):
            store.pages.page(JobFilter(), sort=Sort.CREATED)
        assert store.pages.page(replace(JobFilter(), text="x"), sort=Sort.ID).jobs == []
