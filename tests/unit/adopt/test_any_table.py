"""Whatever a table is like: what is proposed is in it, is valid, and is what the store takes."""

from __future__ import annotations

from typing import Any

from hypothesis import given as examples
from hypothesis import settings as effort
from hypothesis import strategies as st

from reconciler.adopt.changes import changes, plain
from reconciler.adopt.columns import column_of
from reconciler.adopt.facts import Column, ColumnSample, Table
from reconciler.adopt.proposal import Given, Proposal
from reconciler.adopt.recognise import recognise
from reconciler.settings import Settings
from reconciler.settings.jobs import JobsSettings
from reconciler.store import columns as store
from reconciler.store.requirements import require
from reconciler.store.table import JobsTable
from tests.unit.adopt.facts import HERE, column, table

NAMES = (
    *("id", "job_id", "uuid", "status", "State", "job_status", "comfyui_job_id", "prompt_id"),
    *("comfyUIJobId", "task_id", "type", "frames", "frameCount", "progress", "percent", "output"),
    *("output_path", "resultUrl", "error", "error_message", "created_at", "createdAt", "created"),
    *("updated_at", "completed_at", "finished", "server", "parameters", "metadata", "x y", "ü"),
)
TYPES = (
    *("integer", "bigint", "text", "varchar(20)", "uuid", "boolean", "jsonb", "timestamp"),
    *("timestamptz", "real", "numeric(3,2)", "date", "bytea", "words"),
)
#: As the store spells types.
SPELT = {
    "varchar(20)": "character varying",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "numeric(3,2)": "numeric",
}
WORDS = ("pending", "RUNNING", "done", "fertig", "error", "in progress", "cancelled", "%s", "it's")


@st.composite
def columns(draw: st.DrawFn, name: str) -> Column:
    type_name = draw(st.sampled_from(TYPES))
    labels = st.lists(st.sampled_from(WORDS), min_size=1, unique=True).map(tuple)
    return column(
        name,
        type_name,
        not_null=draw(st.booleans()),
        default=draw(st.sampled_from([None, "now()", "'pending'::text", "nextval('s')"])),
        max_length=20 if type_name == "varchar(20)" else None,
        precision=(1, 2) if type_name == "numeric(3,2)" else None,
        labels=draw(labels) if type_name == "words" else (),
        may_read=draw(st.booleans()),
        may_write=draw(st.booleans()),
        updatable=draw(st.booleans()),
    )


SAMPLES = st.builds(
    ColumnSample,
    count=st.integers(0, 9),
    distinct=st.integers(0, 9),
    uuids=st.integers(0, 9),
    paths=st.integers(0, 9),
    urls=st.integers(0, 9),
    early=st.booleans(),
    most=st.none() | st.floats(-10, 1e10),
    fractions=st.integers(0, 3),
    words=st.sampled_from([(), ("gpu1",), ("gpu1", "other")]),
    numbers_at=st.dictionaries(st.sampled_from([("frames",), ("a", "num_frames")]), st.just(3)),
    uuids_at=st.dictionaries(st.sampled_from([("prompt_id",), ("user",)]), st.just(3)),
)


KEYS = st.sampled_from([("id",), ("uuid",), ("id", "uuid")])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=12))
    return table(
        *(draw(columns(name)) for name in names),
        keys=draw(st.just([("id",)]) | st.lists(KEYS, max_size=2)),
        seen=draw(st.dictionaries(st.sampled_from(NAMES), SAMPLES, max_size=6)),
        statuses=draw(st.dictionaries(st.sampled_from(WORDS), st.integers(0, 9))),
    )


GIVEN = st.builds(
    Given,
    columns=st.dictionaries(
        st.sampled_from(["id", "status", "error", "prompt_id"]), st.sampled_from(NAMES), max_size=2
    ),
    servers=st.sampled_from([frozenset(), frozenset({"gpu1"})]),
)


def settings_of(proposal: Proposal) -> JobsSettings:
    jobs: dict[str, Any] = plain(changes(proposal, Settings())).get("jobs", {})
    return JobsSettings(**jobs)


@effort(max_examples=50, deadline=None)
@examples(tables(), GIVEN)
def test_what_is_proposed_is_in_the_table(of: Table, given: Given) -> None:
    proposal = recognise(HERE, of, given)
    chosen = [c for c in proposal.choices if c.setting[:2] == ("jobs", "columns")]
    for choice in chosen:
        name = column_of(choice.value)
        assert name is None or of.column(name) is not None
        assert choice.reason
    plain_ones = [
        c.value for c in chosen if isinstance(c.value, str) and c.name not in given.columns
    ]
    assert len(plain_ones) == len(set(plain_ones)), "no column means two things"
    settings_of(proposal)
    for section in (c.setting for c in proposal.choices):
        assert section[0] in ("jobs", "database")


@effort(max_examples=50, deadline=None)
@examples(tables())
def test_the_store_takes_what_is_proposed(of: Table) -> None:
    proposal = recognise(HERE, of, Given())
    if proposal.problems:
        return
    found = {
        c.name: store.Column(
            SPELT.get(c.type, c.type),
            SPELT.get(c.type, c.type),
            max_length=c.max_length,
            not_null=c.not_null,
            writable=c.updatable,
            default=c.default,
            labels=c.labels,
        )
        for c in of.columns
    }
    jobs = JobsTable((of.name,), found, settings_of(proposal))
    require(jobs, {"updatable": True, "kind": "r"})
    for field in ("progress", "output_path", "error", "updated_at", "completed_at", "created_at"):
        choice = proposal.choice("jobs", "columns", field)
        assert choice is not None
        assert jobs.column(field) == (choice.value or None), "the store uses the very column"
