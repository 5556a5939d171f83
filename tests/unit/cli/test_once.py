"""What `once` tells of several passes."""

from __future__ import annotations

from reconciler.cli.once import Findings, Found
from reconciler.core.case import Decision
from reconciler.core.jobs import FailureCode, Status
from reconciler.reconcile.passes import Change, PassReport


def report(decision: Decision, before: str | None = None) -> PassReport:
    found = PassReport(judged=1, decisions={"7": decision})
    if before is not None:
        found.changes.append(Change("7", before, decision.status.value, decision.reason))
    return found


def test_the_first_status_and_the_last_verdict_are_told() -> None:
    findings = Findings()
    findings.add(report(Decision(Status.PROCESSING, "validating", "being checked"), "queued"))
    findings.add(report(Decision(Status.COMPLETED, "success", "whole"), "processing"))
    assert findings.worth_telling() == {"7": Found("queued", "completed", None, "whole", True)}


def test_the_reason_of_a_verdict_is_not_that_it_stands() -> None:
    lost = Decision(Status.FAILED, "lost", "not found", failure=FailureCode.LOST)
    stands = Decision(Status.FAILED, "failed", "failed (lost); only ...", failure=FailureCode.LOST)
    findings = Findings()
    findings.add(report(lost, "queued"))
    findings.add(report(stands))
    assert findings.rows["7"] == Found("queued", "failed", "lost", "not found", True)


def test_a_verdict_that_merely_stands_is_not_told() -> None:
    findings = Findings()
    findings.add(report(Decision(Status.FAILED, "failed", "x", failure=FailureCode.LOST)))
    assert findings.worth_telling() == {}


def test_an_open_row_is_told_though_nothing_changed() -> None:
    findings = Findings()
    findings.add(report(Decision(Status.QUEUED, "no_answer", "no answer")))
    assert findings.worth_telling()["7"].reason == "no answer"
