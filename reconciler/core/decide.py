"""The decision table: what a job's row should say, given all that is known.

`decide` is a pure function: the same job, evidence, policy and time give the same decision. The
rules are tried from the top and the first that applies decides. docs/decisions.md is written from
`RULES` (`python -m reconciler.core.table`) and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core import asked, endings, living
from reconciler.core.case import Case, Decision
from reconciler.core.evidence import Evidence
from reconciler.core.jobs import Job
from reconciler.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: the evidence it wants and what it decides, in words and in code."""

    name: str
    when: str
    then: str
    apply: Callable[[Case], Decision | None]


def decide(job: Job, evidence: Evidence, policy: Policy, now: float) -> Decision:
    """What the row of `job` should say.

    `now` and all times in `evidence` are seconds since the epoch by the database's clock. The
    decision names its rule, a reason in words and the evidence it was drawn from.
    """
    case = Case(job, evidence, policy, now)
    for rule in RULES:
        decision = rule.apply(case)
        if decision is not None:
            return decision
    raise AssertionError("the last rule of the table always decides")


#: The decision table, tried from the top.
RULES: tuple[Rule, ...] = (
    Rule(
        "final",
        "job is completed, cancelled, or failed by execution_error, out_of_memory, interrupted"
        " (by someone else), rejected, or by the application's own hand",
        "nothing, ever",
        endings.final,
    ),
    Rule(
        "late_success",
        "job failed by any other code, and success is now proven by `success` or `tagged_output`",
        "completed (`verdicts.late_success: accept`) or an event only (`ignore`)",
        endings.late_success,
    ),
    Rule(
        "failed",
        "job failed by any other code, otherwise",
        "nothing; only a proven success, a retry or the application reopens it",
        endings.failed_otherwise,
    ),
    Rule(
        "cancel",
        "somebody asked for it to be cancelled, and not every prompt has succeeded: none was ever"
        " there, it ended by an interrupt, or it is not found; and as long as it waits or runs",
        "cancelled, after a second look; as it was while the prompt is still there, which is"
        " deleted from the queue or interrupted",
        asked.cancel,
    ),
    Rule(
        "error",
        "history, manifest or snapshot says error",
        "failed: execution_error (node, exception type, first line), out_of_memory,"
        " interrupted, or stalled if we interrupted it for that",
        endings.error,
    ),
    Rule(
        "removed",
        "manifest or snapshot says that the prompt was removed from the queue, and no prompt is"
        " open",
        "cancelled",
        endings.removed,
    ),
    Rule(
        "storage",
        "every prompt succeeded, or the prompt is not found; and the output directory is"
        " unreadable, or its device or inode differs from last time",
        "as it was: files prove nothing now, and their clocks stand still",
        endings.storage_away,
    ),
    Rule(
        "success",
        "success, and every listed output (type output) is on disk, settled, sound, as its manifest"
        " says and as expected",
        "completed; output path = the main output",
        endings.sound_success,
    ),
    Rule(
        "unjudged",
        "success, and every listed output is as `success` wants it or of a kind that nothing here"
        " can judge",
        "completed, with a warning that names the file and why; with `verdicts.unjudged: fail`"
        " failed: unjudged_output, once a second inspection has said the same",
        endings.unjudged,
    ),
    Rule(
        "invalid_output",
        "success, and an output was unsound twice, `outputs.unsound_confirm_s` apart, with"
        " unchanged size and time",
        'failed: invalid_output with the defect in words ("71 of 72 frames")',
        endings.invalid_output,
    ),
    Rule(
        "missing_output",
        "success, and an output is not on disk `outputs.missing_output_grace_s` after the first"
        " look that knew of the success with healthy storage",
        "failed: missing_output",
        endings.missing_output,
    ),
    Rule(
        "no_output",
        "success, no open prompt, and no output of type output",
        "failed: no_output (completed with `verdicts.no_output: complete`)",
        endings.no_output,
    ),
    Rule(
        "validating",
        "success, outputs still being checked, or smaller than their manifest says and not yet"
        " overdue as missing ones are",
        "processing, stage validating",
        endings.validating,
    ),
    Rule(
        "worker_dead",
        "running, and the snapshot says that no prompt worker lives, though this boot was seen"
        " with one",
        "failed: worker_dead, after a second look",
        living.worker_dead,
    ),
    Rule(
        "running",
        "running",
        "processing; failed: stalled if the stall rule trips, after a second look",
        living.running,
    ),
    Rule(
        "blocked",
        "pending, and the snapshot says that no prompt worker lives",
        "queued, with its position: it waits for a restart, unless `pending` fails it",
        living.blocked,
    ),
    Rule(
        "pending",
        "pending",
        "queued, with its position; failed: queue_timeout if `timeouts.queue_s` is set and trips",
        living.pending,
    ),
    Rule(
        "unreachable",
        "the server does not answer, or several answer behind one address",
        "as it was, all stall clocks stand still; failed: server_down after"
        " `timeouts.server_down_s`, if the job has a prompt and nothing answers",
        living.unreachable,
    ),
    Rule(
        "tagged_output",
        "not found beyond the grace of `restarted` or `lost`, and sound outputs carry this job's"
        " tag, one for every output node of the graph of each such prompt, and meet what was"
        " expected; the other prompts succeeded with sound outputs",
        "completed; as it was while tagged outputs are being checked, or files of that time are"
        " still to be inspected",
        endings.tagged_output,
    ),
    Rule(
        "never_submitted",
        "no prompt id and no prompt carries its tag; or no server ever knew any of its prompt ids",
        "as it was; failed: never_submitted `timeouts.submit_s` after it was opened, or"
        " `timeouts.never_seen_s` after the first clean look that missed it (not before the grace"
        " of `lost`), if that is set",
        living.never_submitted,
    ),
    Rule(
        "restarted",
        "not found, and the boot id has differed for `lost.restart_grace_s` (both ids known)",
        "failed: lost, proven by the restart, after a second look",
        living.restarted,
    ),
    Rule(
        "missing_briefly",
        "not found for fewer than `lost.confirmations` clean looks or less than `lost.grace_s`",
        "as it was",
        living.missing_briefly,
    ),
    Rule("lost", "not found beyond that", "failed: lost, with any partial files", living.lost),
    Rule("no_answer", "anything else: nothing has answered yet", "as it was", living.no_answer),
)
