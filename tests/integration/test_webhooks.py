"""Webhooks from end to end: real services, a real Postgres, real receivers."""

from __future__ import annotations

import json
import os
import signal
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import trustme
from standardwebhooks import WebhookVerificationError

from reconciler.errors import SettingsError
from reconciler.notify.webhooks import verdict
from reconciler.notify.webhooks.lane import Lane
from reconciler.notify.webhooks.post import Target
from reconciler.notify.webhooks.sender import Sender
from reconciler.notify.webhooks.verdict import Limits
from reconciler.service.telling import sender_of
from reconciler.settings import load
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from reconciler.store import Store, embedded, open_store
from reconciler.store.deliveries import Delivery, DeliveryFilter, DeliveryStore
from reconciler.store.listening import Listener
from reconciler.store.webhooks import WebhookStore
from tests.integration.running import Rows, running, write_config
from tests.integration.test_outbox import ended, endpoint, tell
from tests.receiver import (
    OK,
    OTHER_SECRET,
    SECRET,
    Got,
    Receiver,
    answering,
    receiver,
)
from tests.waiting import wait_for

TIMEOUT_S = 5.0
LIMITS = Limits(3600.0)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = open_store(database)
    yield store
    store.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that a test can wait for."""
    monkeypatch.setattr(verdict, "FIRST_S", 0.05)


@contextmanager
def sending(
    url: str,
    *receivers: Receiver,
    secrets: Sequence[str] = (SECRET,),
    timeout_s: float = TIMEOUT_S,
    limits: Limits = LIMITS,
    parallel: int = 4,
) -> Iterator[Sender]:
    """A sender as an agent has it, for endpoints `hook1`, `hook2`, ..."""
    store = open_store(url)
    lanes = [
        Lane(f"hook{number}", Target(known.url, allow_private=True), tuple(secrets), limits,
             timeout_s, parallel)
        for number, known in enumerate(receivers, start=1)
    ]  # fmt: skip
    named = [endpoint(lane.name) for lane in lanes]
    WebhookStore(store.connection).name("agent", named)
    sender = Sender(
        lanes, lambda: open_store(url, create=False), Listener(store.connection), max_age_s=3600.0
    )
    sender.start()
    try:
        yield sender
    finally:
        sender.stop()
        store.close()


def deliveries(store: Store) -> list[Delivery]:
    return DeliveryStore(store.connection).page(500)


def all_are(store: Store, state: str, number: int) -> Callable[[], bool]:
    return lambda: [one.state for one in deliveries(store)] == [state] * number


def test_a_job_that_ends_is_told_with_its_row(store: Store, database: str) -> None:
    rows = Rows(database)
    job_id = rows.insert(
        job_type="video", frames=72, status="completed", output_path="/out/<b>a.mp4"
    )
    with receiver() as known, sending(database, known):
        tell(store, (job_id, ended()))
        wait_for(all_are(store, "delivered", 1), "it is delivered")
    (got,) = known.got
    message = got.verified()
    assert (message["type"], message["timestamp"]) == (
        "job.completed", message["timestamp"],
    )  # fmt: skip
    data = message["data"]
    assert (data["id"], data["type"], data["status"]) == (job_id, "video", "completed")
    assert (data["output_path"], data["frames"]) == ("/out/<b>a.mp4", 72)
    assert (data["reason"], data["attempt"]) == ("it is completed", 1)
    assert data["event"]["from_status"] == "processing"
    (one,) = deliveries(store)
    assert (one.attempts, one.last_status, one.last_answer) == (1, 200, "thanks")
    assert one.message_id == got.message_id


def test_each_of_several_secrets_signs_while_they_are_rotated(store: Store, database: str) -> None:
    with receiver() as known, sending(database, known, secrets=(OTHER_SECRET, SECRET)):
        tell(store, ("1", ended()))
        wait_for(all_are(store, "delivered", 1), "it is delivered")
    (got,) = known.got
    assert got.verified(SECRET) == got.verified(OTHER_SECRET)
    with pytest.raises(WebhookVerificationError):
        got.verified("whsec_" + "A" * 32)


def test_a_failed_attempt_is_repeated_with_the_same_body_and_id(
    store: Store, database: str
) -> None:
    def twice_away(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        answering(503 if before < 2 else 200)(handler, got, before)

    rows = Rows(database)
    job_id = rows.insert(output_path="/first.mp4")
    with receiver(twice_away) as known, sending(database, known):
        tell(store, (job_id, ended()))
        wait_for(lambda: known.got, "the first attempt")
        rows.sql("update production_jobs set output_path = '/later.mp4'")
        wait_for(all_are(store, "delivered", 1), "it is delivered in the end")
    assert len(known.got) == 3
    assert len({(got.message_id, got.body) for got in known.got}) == 1
    assert deliveries(store)[0].attempts == 3


def test_the_next_event_of_a_job_waits_while_other_jobs_go_on(store: Store, database: str) -> None:
    fails = True

    def of_one_job(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        answering(500 if fails and got.data["id"] == "stuck" else 200)(handler, got, before)

    with receiver(of_one_job) as known, sending(database, known):
        tell(store, ("stuck", ended("failed")), ("stuck", ended("completed", "failed")))
        tell(store, *((str(number), ended()) for number in range(20)))
        wait_for(lambda: len(known.of_job("stuck")) > 2, "it is tried again and again")
        wait_for(lambda: all(known.of_job(str(n)) for n in range(20)), "the others go on")
        assert {got.type for got in known.of_job("stuck")} == {"job.failed"}
        fails = False
        wait_for(all_are(store, "delivered", 22), "all are delivered")
    types = [got.type for got in known.of_job("stuck")]
    assert types == ["job.failed"] * (len(types) - 1) + ["job.completed"]


def test_two_senders_keep_the_order_of_each_job_and_no_more_at_once_than_allowed(
    store: Store, database: str
) -> None:
    jobs, told = 12, 6

    def sometimes(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        answering(500 if before % 5 == 3 else 200)(handler, got, before)

    with ExitStack() as stack:
        known = stack.enter_context(receiver(sometimes))
        for _ in range(2):
            stack.enter_context(sending(database, known, parallel=3))
        for number in range(told):
            event = ended("completed" if number % 2 else "failed", f"was{number}")
            tell(store, *((str(job), event) for job in range(jobs)))
        wait_for(all_are(store, "delivered", jobs * told), "all are delivered")
    for job in range(jobs):
        ids = [got.data["event"]["id"] for got in known.of_job(str(job))]
        assert ids == sorted(ids), "none overtakes another"
        assert len(set(ids)) == told, "none is left out"
    assert known.most_at_once <= 6


def test_gone_disables_the_endpoint_and_what_waits_is_sent_once_it_is_enabled(
    store: Store, database: str
) -> None:
    webhooks = WebhookStore(store.connection)
    with receiver(answering(410)) as known, receiver() as other:
        with sending(database, known, other):
            tell(store, ("1", ended("failed")), ("1", ended("completed", "failed")))
            wait_for(lambda: webhooks.all()[0].state == "disabled", "it is disabled")
            wait_for(lambda: len(other.got) == 2, "the other one is told all the same")
            tell(store, ("2", ended()))
            wait_for(lambda: len(other.got) == 3, "and goes on being told")
            assert webhooks.all()[0].disabled_because == (
                "it answered 410: it wants nothing any more"
            )
            assert [got.type for got in known.got] == ["job.failed"]
            known.answer = OK
            assert webhooks.enable("hook1")
            wait_for(lambda: len(known.got) == 2, "what waited is sent")
        assert known.got[1].type == "job.completed"
    states = {(one.webhook, one.job_id, one.type): one.state for one in deliveries(store)}
    assert states["hook1", "1", "job.failed"] == "failed"
    assert ("hook1", "2", "job.completed") not in states


def test_who_asks_for_patience_is_left_alone_by_all_deliveries(store: Store, database: str) -> None:
    with receiver(answering(429, Retry_After="600")) as known, receiver() as other:
        with sending(database, known, other, parallel=1):
            tell(store, *((str(number), ended()) for number in range(5)))
            wait_for(lambda: len(other.got) == 5, "the other endpoint is not held up")
            wait_for(lambda: any(one.last_status == 429 for one in deliveries(store)), "stored")
        assert len(known.got) == 1
    (refused,) = [one for one in deliveries(store) if one.last_status == 429]
    assert refused.next_at is not None and refused.last_at is not None
    assert refused.next_at - refused.last_at == pytest.approx(600.0, abs=1.0)


def test_it_is_given_up_in_the_end_and_the_next_of_the_job_follows(
    store: Store, database: str
) -> None:
    with (
        receiver(answering(400, b"no\x1b[31m such")) as known,
        sending(database, known, limits=Limits(3600.0, max_attempts=2)),
    ):
        tell(store, ("1", ended("failed")), ("1", ended("completed", "failed")))
        wait_for(all_are(store, "failed", 2), "both are given up")
    assert [got.type for got in known.got] == ["job.failed"] * 2 + ["job.completed"] * 2
    (newest, _) = deliveries(store)
    assert newest.last_error == "given up after 2 attempts: it answered 400"
    assert newest.last_answer == "no\\x1b[31m such"


def test_a_replay_reaches_the_receiver_with_the_id_that_it_knows(
    store: Store, database: str
) -> None:
    with receiver() as known, sending(database, known):
        tell(store, ("1", ended()))
        wait_for(all_are(store, "delivered", 1), "it is delivered")
        assert DeliveryStore(store.connection).replay([deliveries(store)[0].id])
        wait_for(lambda: len(known.got) == 2, "it comes again")
    assert known.got[0].message_id == known.got[1].message_id
    assert known.got[0].body == known.got[1].body


def test_a_test_says_that_nothing_happened(store: Store, database: str) -> None:
    with receiver() as known, sending(database, known):
        assert DeliveryStore(store.connection).test("hook1") is not None
        wait_for(all_are(store, "delivered", 1), "it is delivered")
    assert known.got[0].verified()["type"] == "reconciler.test"


def test_an_endpoint_that_hangs_holds_up_no_other_and_no_end(store: Store, database: str) -> None:
    def hang(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        slow.over.wait(30.0)

    with (
        receiver(hang) as slow,
        receiver() as quick,
        sending(database, slow, quick, timeout_s=60.0) as sender,
    ):
        tell(store, *((str(number), ended()) for number in range(10)))
        wait_for(lambda: len(quick.got) == 10, "the quick one has all")
        assert len(slow.got) <= 4
        sender.stop()
    waiting = [one for one in deliveries(store) if one.state == "waiting"]
    assert len(waiting) == 10, "what was under way is still to be sent"


def test_a_receiver_that_is_too_slow_is_tried_again(store: Store, database: str) -> None:
    def slow_once(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        if before == 0:
            known.over.wait(30.0)
        OK(handler, got, before)

    with receiver(slow_once) as known, sending(database, known, timeout_s=0.3):
        tell(store, ("1", ended()))
        wait_for(all_are(store, "delivered", 1), "it is delivered")
        assert deliveries(store)[0].attempts == 2


def test_a_database_that_breaks_the_connection_loses_and_skips_nothing(
    store: Store, database: str
) -> None:
    def sometimes(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        if before % 10 == 5:
            rows.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name <> 'test'"
            )
        OK(handler, got, before)

    rows = Rows(f"{database}?application_name=test")  # who looks on is spared
    with receiver(sometimes) as known, sending(database, known, timeout_s=0.5):
        tell(store, *((str(number), ended()) for number in range(30)))

        def all_arrived() -> bool:
            found = rows.sql("select count(*) as n from reconciler.deliveries where state <> %s",
                             "delivered")  # fmt: skip
            return bool(found[0]["n"] == 0)

        wait_for(all_arrived, "all are delivered")
    assert {got.data["id"] for got in known.got} == {str(number) for number in range(30)}


def test_a_restart_of_postgres_is_waited_out(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir)
    with (
        receiver() as known,
        closing(open_store(url)) as store,
        sending(url, known, timeout_s=0.5),
    ):
        tell(store, *((str(number), ended()) for number in range(5)))
        wait_for(lambda: len(known.got) >= 2, "some are delivered")
        embedded.stop(data_dir)
        assert embedded.ensure_running(data_dir) == url
        store.close()  # its connection is another than the sender's
        tell(store, *((str(number), ended()) for number in range(5, 10)))
        wait_for(all_are(store, "delivered", 10), "all are delivered")
    assert {got.data["id"] for got in known.got} == {str(number) for number in range(10)}


# The whole service.


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output", speed=20.0) as simulator:
        yield simulator


def settings(known: Receiver, **more: object) -> dict[str, object]:
    entry = {"name": "studio", "url": known.url, "secrets": [SECRET], "allow_private": True}
    return {"endpoints": [entry | more], "timeout_s": 0.5}


def submit(rows: Rows, simulator: Simulator) -> str:
    return rows.insert(comfyui_job_id=simulator.submit(render_graph(frames=4)), job_type="video")


def test_the_service_tells_how_a_job_ended_also_over_tls(
    database: str, tmp_path: Path, simulator: Simulator
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    rows = Rows(database)
    with receiver(tls=server_side) as known:
        webhooks = settings(known, tls_ca="authority.pem", job_types=["vid*"])
        with running(write_config(tmp_path, database, simulator, webhooks=webhooks)):
            job_id = submit(rows, simulator)
            wait_for(lambda: known.got, "the receiver is told")
            row = rows.row(job_id)
    (got,) = known.got
    data = got.verified()["data"]
    assert (got.type, data["id"]) == ("job.completed", job_id)
    assert data["output_path"] == row["output_path"]
    assert (data["type"], data["server"]) == ("video", "gpu1")
    log = (tmp_path / "service.log").read_text(encoding="utf-8")
    assert SECRET.removeprefix("whsec_") not in log


def test_killed_in_the_middle_of_sending_it_sends_again_and_skips_nothing(
    database: str, tmp_path: Path, simulator: Simulator
) -> None:
    """kill -9 while the receiver has messages and has not answered: at least once."""
    rows, jobs = Rows(database), 6

    def kill_in_the_middle(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        if before == 2:
            os.kill(pids.pop(), signal.SIGKILL)
            return
        OK(handler, got, before)

    pids: list[int] = []
    with receiver(kill_in_the_middle) as known:
        config = write_config(tmp_path, database, simulator, webhooks=settings(known))
        with running(config) as service:
            pids.append(service.process.pid)
            ids = {submit(rows, simulator) for _ in range(jobs)}
            assert service.process.wait(60.0) == -signal.SIGKILL
        unanswered = known.got[2].message_id
        with running(config):
            wait_for(lambda: _delivered(rows) == ids, "all are delivered", 60.0)
    assert {got.data["id"] for got in known.got} == ids
    assert [got.message_id for got in known.got].count(unanswered) == 2, "it came again"


def test_a_message_that_cannot_be_made_holds_up_no_other(store: Store, database: str) -> None:
    """Whatever the defect: it fails, and is tried again, by itself."""
    ids = [Rows(database).insert(job_type="video") for _ in range(3)]
    WebhookStore(store.connection).name("agent", [endpoint("hook1")])
    tell(store, *((job_id, ended()) for job_id in ids))
    rows = Rows(database)
    rows.sql("update reconciler.deliveries set payload = '{}' where job_id = %s", ids[0])
    with receiver() as known, sending(database, known, parallel=1):
        wait_for(lambda: _delivered(rows) == set(ids[1:]), "the others are delivered")
        odd = DeliveryStore(store.connection).page(9, which=DeliveryFilter(job_id=ids[0]))[0]
    assert (odd.state, odd.last_error) == ("waiting", "a defect of the sender: its log tells more")


def _delivered(rows: Rows) -> set[str]:
    found = rows.sql("select job_id from reconciler.deliveries where state = 'delivered'")
    return {row["job_id"] for row in found}


def test_certificates_that_cannot_be_read_are_told_at_the_start(
    store: Store, tmp_path: Path
) -> None:
    webhooks = settings(Receiver(url="https://127.0.0.1:1/"), tls_ca="nowhere.pem")
    config = tmp_path / "reconciler.yaml"
    config.write_text(json.dumps({"webhooks": webhooks}), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"tls_ca of 'studio', .*nowhere\.pem"):
        sender_of(load(config=config, environ={}), store)
