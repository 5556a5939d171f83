"""The outbox of webhooks: written with the event or not at all, claimed by one sender, in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.core.jobs import Job, Status
from reconciler.errors import StatementRefused
from reconciler.retention.deliveries import Deliveries
from reconciler.retention.task import Keep
from reconciler.store import Store, open_store, states
from reconciler.store.deliveries import Attempt, Claimed, DeliveryFilter, DeliveryStore
from reconciler.store.records import Event
from reconciler.store.retention import RetentionStore
from reconciler.store.webhooks import Endpoint, WebhookStore
from tests.integration.running import Rows

CLAIM_S = 60.0


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = open_store(database)
    yield store
    store.close()


@pytest.fixture
def webhooks(store: Store) -> WebhookStore:
    return WebhookStore(store.connection)


@pytest.fixture
def deliveries(store: Store) -> DeliveryStore:
    return DeliveryStore(store.connection)


def endpoint(name: str = "studio", **filters: object) -> Endpoint:
    given = {"events": "endings", "statuses": None, "job_types": None} | filters
    return Endpoint(name, f"https://{name}.example/hook", **given)  # type: ignore[arg-type]


def job(job_id: str) -> Job:
    return Job(job_id, Status.PROCESSING, None, 1, None, 0.0)


def ended(status: str = "completed", was: str = "processing") -> Event:
    return Event("status", f"it is {status}", was, status)


def tell(store: Store, *told: tuple[str, Event]) -> None:
    with store.connection.writing() as cursor:
        states.tell(cursor, [(job_id, 1, event) for job_id, event in told])


def jobs_of(claimed: list[Claimed]) -> list[str | None]:
    return [one.job_id for one in claimed]


def delivered(one: Claimed) -> Attempt:
    return Attempt(one.id, one.attempts, "delivered", one.payload, 0.1, 200)


def failed_for_now(one: Claimed, wait_s: float = 0.0) -> Attempt:
    return Attempt(one.id, one.attempts, None, one.payload, 0.1, 500, "no", wait_s=wait_s)


def test_an_event_and_its_delivery_are_written_together_or_not_at_all(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])

    def refused() -> None:
        with store.connection.writing() as cursor:
            states.tell(cursor, [("1", 1, ended())])
            cursor.execute("select 1 / 0")

    with pytest.raises(StatementRefused):
        refused()
    assert deliveries.page(10) == store.jobs.story("1") == []
    tell(store, ("1", ended()))
    (one,) = deliveries.page(10)
    (event,) = store.jobs.story("1")
    assert (one.event_id, one.job_id, one.type) == (event.id, "1", "job.completed")
    assert one.payload["reason"] == "it is completed"
    assert (one.state, one.attempts) == ("waiting", 0)


@pytest.mark.parametrize(
    ("filters", "types"),
    [
        ({}, ["job.completed", "job.failed"]),
        ({"events": "changes"}, ["job.completed", "job.failed", "job.processing"]),
        ({"statuses": ["failed"]}, ["job.failed"]),
        ({"events": "changes", "statuses": ["processing", "failed"]},
         ["job.failed", "job.processing"]),
        ({"job_types": ["Video_*"]}, ["job.completed"]),
        ({"job_types": ["video", "%"]}, []),
        ({"job_types": ["audio"]}, []),
        ({"events": "all"},
         ["job.completed", "job.failed", "job.failed", "job.linked", "job.processing"]),
    ],
)  # fmt: skip
def test_filters_decide_what_is_put_in(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore, filters: dict[str, object],
    types: list[str],
) -> None:  # fmt: skip
    webhooks.name("agent", [endpoint(**filters)])
    with store.connection.transaction() as cursor:
        cursor.execute(
            "insert into reconciler.job_state (job_id, known_status, job_type)"
            " values ('film', 'completed', 'video_hd'), ('still', 'failed', 'image')"
        )
    tell(
        store,
        ("film", ended("processing", "queued")),
        ("film", Event("linked", "prompt p1")),
        ("film", ended()),
        ("still", ended("failed")),
        ("still", Event("late_success", "a success is not taken", "failed", "failed")),
    )
    assert sorted(one.type for one in deliveries.page(10)) == types


def test_of_a_job_the_next_waits_until_the_one_before_is_done_and_other_jobs_go_on(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, ("a", ended("failed")), ("a", ended("completed", "failed")), ("b", ended()))
    first = deliveries.claim("studio", 10, CLAIM_S)
    assert jobs_of(first) == ["a", "b"]
    assert first[0].type == "job.failed"
    assert deliveries.claim("studio", 10, CLAIM_S) == []
    deliveries.record([failed_for_now(first[0]), delivered(first[1])])
    again = deliveries.claim("studio", 10, CLAIM_S)
    assert [(one.id, one.attempts) for one in again] == [(first[0].id, 2)]
    assert again[0].message_id == first[0].message_id
    deliveries.record([delivered(again[0])])
    (last,) = deliveries.claim("studio", 10, CLAIM_S)
    assert (last.job_id, last.type) == ("a", "job.completed")


def test_what_a_dead_sender_had_claimed_is_claimed_again_and_its_late_word_is_not_heard(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, ("a", ended()))
    (dead,) = deliveries.claim("studio", 1, 0.0)
    (alive,) = deliveries.claim("studio", 1, CLAIM_S)
    assert (alive.id, alive.attempts) == (dead.id, 2)
    deliveries.record([delivered(alive)])
    deliveries.record([Attempt(dead.id, dead.attempts, "failed", {}, 1.0, None, "timed out")])
    (one,) = deliveries.page(1)
    assert (one.state, one.last_error) == ("delivered", None)


def test_two_senders_never_claim_one_delivery(
    database: str, store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, *((str(number), ended()) for number in range(20)))
    other = open_store(database)
    try:
        with store.connection.transaction() as cursor:
            cursor.execute("select id from reconciler.deliveries order by id limit 5 for update")
            theirs = DeliveryStore(other.connection).claim("studio", 10, CLAIM_S)
        ours = deliveries.claim("studio", 100, CLAIM_S)
    finally:
        other.close()
    assert len(theirs) == 10 and len(ours) == 10
    assert not {one.id for one in theirs} & {one.id for one in ours}


def test_an_endpoint_that_no_settings_name_gets_nothing(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("first", [endpoint("studio"), endpoint("archive")])
    webhooks.name("second", [endpoint("archive")])
    tell(store, ("a", ended()))
    webhooks.name("first", [])
    assert [(one.name, one.state) for one in webhooks.all()] == [
        ("archive", "enabled"),
        ("studio", "removed"),
    ]
    tell(store, ("b", ended()))
    assert deliveries.claim("studio", 10, CLAIM_S) == []
    assert deliveries.give_up(["archive"], 3600.0) == 1
    (given_up,) = deliveries.page(10, which=DeliveryFilter(webhook="studio"))
    assert given_up.state == "failed" and "no settings name" in (given_up.last_error or "")
    assert jobs_of(deliveries.claim("archive", 10, CLAIM_S)) == ["a", "b"]
    webhooks.name("first", [endpoint("studio")])
    assert {one.name: one.state for one in webhooks.all()}["studio"] == "enabled"


def test_what_a_killed_sender_had_claimed_does_not_outlive_its_endpoint(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, ("a", ended()))
    assert len(deliveries.claim("studio", 10, CLAIM_S)) == 1
    webhooks.name("agent", [])
    assert deliveries.give_up([], 3600.0) == 1
    assert deliveries.outbox().waiting == 0


def test_a_clock_that_is_set_back_holds_up_nothing(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, *((job_id, ended()) for job_id in ("new", "failed", "claimed", "waits")))
    tried = deliveries.claim("studio", 10, CLAIM_S)
    deliveries.record([failed_for_now(one, wait_s=30.0) for one in tried])
    with store.connection.transaction() as cursor:
        cursor.execute(
            "update reconciler.deliveries set next_at = next_at + w.by, last_at = last_at + w.by,"
            " created_at = created_at + w.by,"
            " claimed_until = case when claimed then now() + w.by end"
            " from (values ('new', interval '2 d', false), ('failed', '2 d', false),"
            "              ('claimed', '2 d', true)) w(job, by, claimed) where job_id = w.job"
        )
        cursor.execute("update reconciler.deliveries set last_at = null where job_id = 'new'")
    assert deliveries.mend_times(CLAIM_S) == 3
    due = deliveries.claim("studio", 10, CLAIM_S)
    assert sorted(filter(None, jobs_of(due))) == ["claimed", "failed", "new"], "not what waits"
    assert deliveries.mend_times(CLAIM_S) == 0, "what is being tried is not tried by others"


def test_a_disabled_endpoint_gets_nothing_but_tests_until_it_is_enabled_or_moves(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, ("a", ended()))
    assert webhooks.disable("studio", "it answered 410 Gone")
    tell(store, ("b", ended()))
    assert deliveries.test("studio") is not None
    assert [one.type for one in deliveries.claim("studio", 10, CLAIM_S)] == ["reconciler.test"]
    assert webhooks.enable("studio")
    assert jobs_of(deliveries.claim("studio", 10, CLAIM_S)) == ["a"]
    webhooks.disable("studio", "again")
    webhooks.name("agent", [endpoint()])
    assert webhooks.all()[0].disabled_because == "again"
    moved = Endpoint("studio", "https://elsewhere.example/", "endings", None, None)
    webhooks.name("agent", [moved])
    assert webhooks.all()[0].state == "enabled"


def test_who_is_not_there_cannot_be_tested_enabled_or_disabled(
    webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    assert deliveries.test("nobody") is None
    assert not webhooks.enable("nobody") and not webhooks.disable("nobody", "no")


def test_a_replay_is_sent_again_under_the_same_message_id(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, ("a", ended()), ("b", ended()))
    first, second = deliveries.claim("studio", 2, CLAIM_S)
    deliveries.record([delivered(first)])
    assert deliveries.replay([first.id, second.id]) == [first.id], "the other is under way"
    (again,) = deliveries.claim("studio", 2, CLAIM_S)
    assert (again.message_id, again.attempts) == (first.message_id, 1)
    deliveries.record([Attempt(again.id, again.attempts, "failed", again.payload, 1.0, 404)])
    assert deliveries.replay_failed("studio") == [first.id]


def test_what_was_tried_for_too_long_is_given_up(
    database: str, store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, ("a", ended()), ("b", ended()))
    (one,) = deliveries.claim("studio", 1, CLAIM_S)
    deliveries.record([failed_for_now(one, 1000.0)])
    Rows(database).sql(
        "update reconciler.deliveries set waiting_since = now() - interval '1 h' where id = %s",
        one.id,
    )
    assert deliveries.give_up(["studio"], 3000.0) == 1
    given_up = deliveries.one(one.id)
    assert given_up is not None
    assert given_up.state == "failed"
    assert given_up.last_error == "given up: not delivered in time; the last attempt: no"
    assert deliveries.give_up([], 3000.0) == 0, "the other is young"
    assert deliveries.outbox().waiting == 1
    assert deliveries.counts() == {("studio", "failed"): 1, ("studio", "waiting"): 1}


def test_what_is_sent_again_waits_since_then(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    """A replay of last week's is no lag of a week."""
    webhooks.name("agent", [endpoint()])
    tell(store, ("1", ended()))
    (one,) = deliveries.claim("studio", 1, CLAIM_S)
    deliveries.record([delivered(one)])
    with store.connection.transaction() as cursor:
        cursor.execute("update reconciler.deliveries set created_at = now() - interval '7 d'")
        cursor.execute("select extract(epoch from now())::float8 as now")
        (row,) = cursor.fetchall()
    deliveries.replay([one.id])
    (told,) = webhooks.all()
    assert told.oldest_at is not None
    assert told.oldest_at >= row["now"]
    assert deliveries.outbox().oldest_s < 3600.0


def test_pages_go_on_where_the_one_before_ended(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, *((str(number), ended()) for number in range(5)))
    newest = deliveries.page(2)
    older = deliveries.page(10, before=newest[-1].id)
    assert [one.job_id for one in (*newest, *older)] == ["4", "3", "2", "1", "0"]
    (one,) = deliveries.page(10, which=DeliveryFilter(job_id="3"))
    assert one.job_id == "3"


def test_a_thousand_events_are_one_statement(
    store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint(), endpoint("archive", events="changes")])
    tell(store, *((str(number), ended()) for number in range(1000)))
    assert deliveries.outbox().waiting == 2000
    ordered = [one.event_id for one in deliveries.page(500)]
    assert ordered == sorted(ordered, key=lambda id_: -(id_ or 0)), "in the order of the events"


@pytest.mark.parametrize("apart", [False, True])
def test_it_lies_where_our_own_tables_do(database: str, elsewhere: str, apart: bool) -> None:
    own_url = elsewhere if apart else None
    store = open_store(database, own_url=own_url, own_schema="studio_own")
    try:
        job_id = Rows(database).insert(job_type="video", output_path="/out/a.mp4")
        WebhookStore(store.connection).name("agent", [endpoint()])
        tell(store, (job_id, ended()))
        (one,) = DeliveryStore(store.connection).claim("studio", 5, CLAIM_S)
        assert one.job_id == job_id
    finally:
        store.close()
    url = own_url or database
    (row,) = Rows(url).sql("select count(*) as waiting from studio_own.deliveries")
    assert row == {"waiting": 1}


def test_old_deliveries_go_and_what_waits_stays(
    database: str, store: Store, webhooks: WebhookStore, deliveries: DeliveryStore
) -> None:
    webhooks.name("agent", [endpoint()])
    tell(store, *((str(number), ended()) for number in range(6)))
    deliveries.record([delivered(one) for one in deliveries.claim("studio", 4, CLAIM_S)])
    Rows(database).sql(
        "update reconciler.deliveries set created_at = now() - interval '40 d'"
        " where job_id <> '3' returning id"
    )
    kept = RetentionStore(store.connection, store.databases.rows, store.table)
    assert Deliveries(kept, Keep(days=30)).run_once().removed == 3
    assert [one.job_id for one in deliveries.page(10)] == ["5", "4", "3"]
    assert Deliveries(kept, Keep(days=None, count=1)).run_once().removed == 0
