"""Rules for jobs that are final, and for prompts that ended."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.attribution import How
from reconciler.core.case import Case, Decision, Stage, facts, file_facts
from reconciler.core.evidence import Ending, EndKind, FileState, OutputFile, PromptEvidence
from reconciler.core.jobs import FailureCode, Status


def final(case: Case) -> Decision | None:
    job = case.job
    if job.status in (Status.COMPLETED, Status.CANCELLED):
        return case.keep("final", f"the job is {job.status}: final", status=job.status.value)
    if job.status is Status.FAILED and (job.failure is None or job.failure.is_permanent):
        why = job.failure.value if job.failure else "by the application"
        return case.keep(
            "final", f"the job failed ({why}): final", status=job.status.value, failure=why
        )
    return None


def late_success(case: Case) -> Decision | None:
    # What was known of files before the directory went away proves nothing about them now.
    if case.job.status is not Status.FAILED or not case.evidence.storage_healthy:
        return None
    success = sound_success(case) or unjudged_success(case) or tagged_success(case)
    if success is None:
        return None
    verdict = case.job.failure.value if case.job.failure else "unknown"
    reason = f"late success after the verdict {verdict}: {success.reason}"
    if case.policy.accept_late_success:
        return replace(success, rule="late_success", reason=reason)
    return replace(
        case.keep("late_success", reason + " (settings: ignore)"), evidence=success.evidence
    )


def failed_otherwise(case: Case) -> Decision | None:
    if case.job.status is not Status.FAILED:
        return None
    verdict = case.job.failure.value if case.job.failure else "unknown"
    return case.keep(
        "failed",
        f"failed ({verdict}); only a proven success, a retry or the application reopens it",
        **facts(case.open) | {"status": case.job.status.value, "failure": verdict},
    )


def error(case: Case) -> Decision | None:
    prompt = case.error
    if prompt is None or prompt.ending is None:
        return None
    ending = prompt.ending
    if ending.kind is EndKind.INTERRUPTED and prompt.interrupted_by_us:
        return case.fail(
            FailureCode.STALLED, "error", "interrupted by the reconciler: it had stalled", prompt
        )
    if ending.kind is EndKind.INTERRUPTED:
        where = f" in {_node(ending)}" if ending.node_id else ""
        return case.fail(FailureCode.INTERRUPTED, "error", f"interrupted by someone{where}", prompt)
    code = FailureCode.OUT_OF_MEMORY if ending.out_of_memory else FailureCode.EXECUTION_ERROR
    where = _node(ending) if ending.node_id else "ComfyUI"
    what = ": ".join(part for part in (ending.exception_type, ending.message) if part)
    return case.fail(code, "error", f"{where}: {what or 'error without a message'}", prompt)


def _node(ending: Ending) -> str:
    return f"node {ending.node_id}" + (f" ({ending.node_type})" if ending.node_type else "")


def _name(output: OutputFile) -> str:
    """The file's name alone, for a sentence; the whole path is in the evidence."""
    return output.path.replace("\\", "/").rpartition("/")[2]


def removed(case: Case) -> Decision | None:
    if case.removed is None or case.open is not None:
        return None
    return Decision(
        Status.CANCELLED,
        "removed",
        "the prompt was deleted from ComfyUI's queue",
        prompt_id=case.removed.prompt_id,
        evidence=facts(case.removed),
    )


def storage_away(case: Case) -> Decision | None:
    if case.evidence.storage_healthy or not (case.successes or case.absent):
        return None
    return case.keep(
        "storage",
        "the output directory is not readable, or not the same one as before: mount it again",
        **facts(case.open) | {"storage_healthy": False},
    )


def sound_success(case: Case) -> Decision | None:
    outputs = case.outputs
    if not outputs or any(o.state is not FileState.SOUND for o in outputs):
        return None
    return _completed(case, "success", f"{_whole(outputs)}, and ComfyUI reported success")


def unjudged_success(case: Case) -> Decision | None:
    """Completed with a warning, where the settings take what nothing here can judge."""
    doubtful = _doubtful(case)
    if not doubtful or not case.policy.unjudged_completes:
        return None
    warning = _cannot_be_judged(doubtful)
    success = _completed(case, "unjudged", f"warning: {warning}; ComfyUI reported success")
    return replace(success, warning=warning)


def unjudged(case: Case) -> Decision | None:
    success = unjudged_success(case)
    doubtful = _doubtful(case)
    if success is not None or not doubtful or not all(o.confirmed for o in doubtful):
        return success
    reason = f"{_cannot_be_judged(doubtful)}, though ComfyUI reported success"
    decision = case.fail(FailureCode.UNJUDGED_OUTPUT, "unjudged", reason, case.successes[-1])
    evidence = dict(decision.evidence) | {"outputs": file_facts(case.outputs)}
    return replace(decision, output_path=doubtful[0].path, evidence=evidence)


def _completed(case: Case, rule: str, reason: str) -> Decision:
    """ComfyUI reported success, and nothing speaks against any of the files."""
    last, outputs = case.successes[-1], case.outputs
    main = next((o for o in reversed(outputs) if o.is_main), outputs[-1])
    cached = last.ending is not None and last.ending.cached
    return Decision(
        Status.COMPLETED,
        rule,
        f"{reason}{' (cached)' if cached else ''}",
        prompt_id=last.prompt_id,
        output_path=main.path,
        evidence=facts(last) | {"outputs": file_facts(outputs)},
    )


def _whole(outputs: tuple[OutputFile, ...]) -> str:
    """That the files are whole, and how that is known: only a digest says that they are the same
    bytes."""
    number = len(outputs)
    same = [o.identical_by for o in outputs if o.identical_by is not None]
    identical = f"identical to what ComfyUI wrote ({', '.join(sorted(set(same)))})"
    if len(same) == number:
        return f"{'1 output is' if number == 1 else f'{number} outputs are'} whole, {identical}"
    decoded = f"{'1 output decodes' if number == 1 else f'{number} outputs decode'} whole"
    return f"{decoded}, {len(same)} of them {identical}" if same else decoded


def _doubtful(case: Case) -> list[OutputFile]:
    """The outputs that nothing here can judge, where nothing speaks against any other."""
    known = (FileState.SOUND, FileState.UNJUDGED)
    if any(o.state not in known for o in case.outputs):
        return []
    return [o for o in case.outputs if o.state is FileState.UNJUDGED]


def _cannot_be_judged(doubtful: list[OutputFile]) -> str:
    more = f" and {len(doubtful) - 1} more" if len(doubtful) > 1 else ""
    same = ", but is identical to what ComfyUI wrote" if doubtful[0].identical_by else ""
    why = doubtful[0].unjudged or "no decoder"
    return f"{_name(doubtful[0])}{more} cannot be judged ({why}){same}"


def invalid_output(case: Case) -> Decision | None:
    bad = [o for o in case.outputs if o.state is FileState.UNSOUND and o.confirmed]
    if not bad:
        return None
    words = "; ".join(bad[0].defects) or "damaged"
    reason = f"{_name(bad[0])}: {words}"
    decision = case.fail(FailureCode.INVALID_OUTPUT, "invalid_output", reason, case.successes[-1])
    evidence = dict(decision.evidence) | {"outputs": file_facts(case.outputs)}
    return replace(decision, output_path=bad[0].path, evidence=evidence)


def missing_output(case: Case) -> Decision | None:
    gone = [
        output
        for prompt in case.successes
        if prompt.ending_seen_at is not None
        and case.now - prompt.ending_seen_at >= case.policy.missing_output_grace_s
        for output in prompt.outputs
        if output.state is FileState.ABSENT
    ]
    if not gone:
        return None
    more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
    reason = f"{_name(gone[0])}{more} is not on disk, though ComfyUI reported success"
    decision = case.fail(FailureCode.MISSING_OUTPUT, "missing_output", reason, case.successes[-1])
    return replace(
        decision, evidence=dict(decision.evidence) | {"outputs": file_facts(case.outputs)}
    )


def no_output(case: Case) -> Decision | None:
    if not case.successes or case.outputs:
        return None
    last = case.successes[-1]
    if case.policy.allow_no_output:
        reason = "ComfyUI reported success; it saved nothing, which the settings allow"
        return Decision(
            Status.COMPLETED,
            "no_output",
            reason,
            prompt_id=last.prompt_id,
            evidence=facts(last),
            needs_second_look=True,
        )
    reason = "nothing was saved, though ComfyUI reported success: is there an output node?"
    # A prompt may queue the one that saves, and end between the look at the queue and this one.
    return replace(
        case.fail(FailureCode.NO_OUTPUT, "no_output", reason, last), needs_second_look=True
    )


def validating(case: Case) -> Decision | None:
    if not case.successes:
        return None
    waiting = [o for o in case.outputs if not case.takes(o)]
    return Decision(
        Status.PROCESSING,
        "validating",
        f"{_news(waiting)}{len(waiting)} of {len(case.outputs)} outputs to be checked;"
        " ComfyUI reported success",
        stage=Stage.VALIDATING,
        prompt_id=case.successes[-1].prompt_id,
        evidence=facts(case.successes[-1]) | {"outputs": file_facts(case.outputs)},
    )


def _news(waiting: list[OutputFile]) -> str:
    """What keeps the first troubled file from being checked, or else how far a check is."""
    words = [(o, o.trouble) for o in waiting if o.trouble]
    words += [(o, o.checked) for o in waiting if o.checked]
    return "".join(f"{_name(output)}: {said}; " for output, said in words[:1])


def tagged_output(case: Case) -> Decision | None:
    """Completed by tagged files, or as it was while they are being checked."""
    success = tagged_success(case)
    if success is not None:
        return success
    prompt, outputs = case.absent, case.evidence.tagged_outputs
    waiting, unread = [o for o in outputs if not _is_checked(o)], case.evidence.unread
    if prompt is None or not case.gone(prompt) or not (waiting or unread):
        return None
    what = (
        f"{len(waiting)} of {len(outputs)} tagged outputs to be checked"
        if waiting
        else f"files of that time are still to be inspected ({unread}), which may be its own"
    )
    return case.keep(
        "tagged_output",
        f"{_news(waiting)}ComfyUI no longer knows the prompt; {what}",
        **facts(prompt) | {"outputs": file_facts(outputs)},
    )


def tagged_success(case: Case) -> Decision | None:
    """The proof that every prompt succeeded, some of them by tagged files alone."""
    prompt, outputs = case.absent, case.evidence.tagged_outputs
    if (
        prompt is None
        or case.evidence.unread
        or not case.gone(prompt)
        or not all(_is_proven(case, p) for p in case.prompts)
    ):
        return None
    main = next((o for o in outputs if o.is_main), outputs[-1])
    return Decision(
        Status.COMPLETED,
        "tagged_output",
        f"ComfyUI no longer knows the prompt, but whole outputs {_proof(outputs)}",
        prompt_id=prompt.prompt_id,
        output_path=main.path,
        evidence=facts(prompt) | {"outputs": file_facts(outputs)},
    )


def _proof(outputs: tuple[OutputFile, ...]) -> str:
    """What the files prove it by; the weakest of them says how good that is."""
    found = {output.by for output in outputs}
    if f"by {How.NAME}" in found:
        return "are named for it (a name alone: weaker evidence)"
    if f"by {How.BARE_TAG}" in found:
        return "carry its job id (without a prompt id: weaker evidence)"
    return "carry its tag"


def _is_checked(output: OutputFile) -> bool:
    """True where time alone will not change what is known of the file."""
    if output.state is FileState.UNSOUND:
        return output.confirmed
    return output.state in (FileState.SOUND, FileState.ABSENT, FileState.UNJUDGED)


def _is_proven(case: Case, prompt: PromptEvidence) -> bool:
    """True where the prompt succeeded with whole files, or its tagged files stand for that."""
    if prompt.ending is not None:
        succeeded = prompt.ending.kind is EndKind.SUCCESS
        # A file that nothing can judge is no proof by itself; that ComfyUI told of it is.
        return succeeded and all(case.takes(o) for o in prompt.outputs)
    unended = [p for p in case.prompts if p.ending is None]
    mine = [
        o
        for o in case.evidence.tagged_outputs
        if o.prompt_id == prompt.prompt_id or (o.prompt_id is None and len(unended) == 1)
    ]
    if not mine or any(o.state is not FileState.SOUND for o in case.evidence.tagged_outputs):
        return False
    nodes = {o.node_id for o in mine if o.node_id is not None}
    # Many files may come from one node, so files of unknown nodes count as one node's.
    return (len(nodes) or 1) >= (prompt.output_nodes or 1)
