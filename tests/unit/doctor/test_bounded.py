"""Checks end in time, tell what they found until then, and do not wait for one another."""

import threading
import time
from collections.abc import Iterator

import pytest

from reconciler.doctor.bounded import Check, run_checks
from reconciler.doctor.finding import Finding, Level, failed_by, ok
from reconciler.errors import DatabaseError, TableError


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What hanging checks wait for: set when the test is over, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


def check(what: str, *findings: Finding, deadline_s: float = 20.0) -> Check:
    return Check(what, lambda: findings, "do this", deadline_s)


def test_findings_come_in_the_order_of_the_checks(release: threading.Event) -> None:
    def slow() -> Iterator[Finding]:
        assert release.wait(20.0)
        yield ok("first", "slow")

    def quick() -> Iterator[Finding]:
        yield ok("second", "quick")
        release.set()

    found = list(run_checks([Check("first", slow, ""), Check("second", quick, "")]))
    # It ends at all: the first waits for the second, so both ran at once.
    assert [finding.what for finding in found] == ["first", "second"]


def test_what_hangs_is_given_up_and_the_others_are_told(release: threading.Event) -> None:
    def hang() -> Iterator[Finding]:
        yield ok("storage", "it is there")
        release.wait()

    began = time.monotonic()
    found = list(
        run_checks([Check("storage", hang, "remount it", 0.2), check("other", ok("other", "well"))])
    )
    assert time.monotonic() - began < 10.0
    assert found == [
        ok("storage", "it is there"),
        Finding(Level.FAILED, "storage", "no answer within 0.2 s", "remount it"),
        ok("other", "well"),
    ]


def test_hanging_checks_wait_together_not_one_after_the_other(release: threading.Event) -> None:
    def hang() -> Iterator[Finding]:
        release.wait()
        yield ok("never", "said")

    began = time.monotonic()
    found = list(run_checks([Check(str(n), hang, "wait", 0.5) for n in range(40)]))
    assert time.monotonic() - began < 15.0
    assert len(found) == 40


@pytest.mark.parametrize(
    ("error", "detail", "advice"),
    [
        (DatabaseError("it is away. What to do: start it."), "it is away", "start it"),
        (DatabaseError("it is away"), "it is away", "do this"),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied: '/x'", "do this"),
        (OSError(), "OSError", "do this"),
        (KeyError("x"), "the check itself broke: KeyError: 'x'", "report this as a defect"),
    ],
)
def test_a_check_that_raises_is_a_finding(error: Exception, detail: str, advice: str) -> None:
    def broken() -> Iterator[Finding]:
        yield ok("database", "found before")
        raise error

    found = list(run_checks([Check("database", broken, "do this"), check("other", ok("o", ""))]))
    assert found[0] == ok("database", "found before")
    assert found[1].level is Level.FAILED
    assert found[1].detail.endswith(detail)
    assert found[1].advice == advice
    assert found[2] == ok("o", "")


def test_the_advice_of_an_error_is_kept_apart_from_its_words() -> None:
    error = TableError("table t lacks\n\ta column.  What to do: ALTER TABLE t ADD COLUMN a text;")
    finding = failed_by("jobs table", error, "unused")
    assert finding.detail == "table t lacks a column"
    assert finding.advice == "ALTER TABLE t ADD COLUMN a text;"
