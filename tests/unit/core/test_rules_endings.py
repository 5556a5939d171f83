"""Each row of the table about final jobs and ended prompts, by a test with the row's name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.case import Stage
from reconciler.core.evidence import EndKind, FileState, Place
from reconciler.core.jobs import FailureCode, Status
from reconciler.core.policy import Policy
from tests.unit.core.builders import (
    NOW,
    absent,
    broken,
    ended,
    failed,
    file,
    job,
    judge,
    pending,
    prompt,
    running,
    success,
)

#: What a file's state may be in a job that is completed.
TAKEN = (FileState.SOUND, FileState.UNJUDGED)
CONCLUDED = [code for code in FailureCode if not code.is_permanent]
TOLD = [code for code in FailureCode if code.is_permanent]


@pytest.mark.parametrize(
    "row",
    [job(Status.COMPLETED), job(Status.CANCELLED), failed(None), *map(failed, TOLD)],
    ids=lambda row: f"{row.status}-{row.failure}",
)
def test_rule_final(row):
    for prompts in ((), (success(file()),), (ended(EndKind.ERROR),), (running(),)):
        decision = judge(*prompts, of=row)
        assert decision.rule == "final"
        assert (decision.status, decision.failure) == (row.status, row.failure)
        assert "final" in decision.reason
        assert decision.evidence["status"] == row.status.value


def test_rule_cancel():
    for prompts in ((absent(),), (ended(EndKind.INTERRUPTED),), ()):
        of = job() if prompts else replace(job(), prompt_id=None)
        decision = judge(*prompts, of=of, cancel_asked_by="ana")
        assert (decision.rule, decision.status) == ("cancel", Status.CANCELLED)
        assert decision.reason == "cancelled by ana"
        assert decision.needs_second_look
    for prompt_, status in ((running(), Status.PROCESSING), (pending(), Status.QUEUED)):
        decision = judge(prompt_, cancel_asked_by="ana")
        assert (decision.rule, decision.status) == ("cancel", status)
        assert decision.reason.startswith("cancelled by ana: ")


@pytest.mark.parametrize(
    ("prompts", "rule"),
    [
        ((success(file()),), "success"),
        ((ended(EndKind.ERROR),), "error"),
        ((ended(EndKind.ERROR), pending()), "error"),
        ((prompt(Place.UNKNOWN),), "no_answer"),
        ((ended(EndKind.REMOVED),), "removed"),
    ],
)
def test_what_ended_otherwise_is_told_as_it_is_though_somebody_wanted_it_cancelled(prompts, rule):
    assert judge(*prompts, cancel_asked_by="ana").rule == rule


def test_a_failure_that_the_application_wrote_is_its_own():
    decision = judge(success(file()), of=failed(None))
    assert "by the application" in decision.reason
    assert decision.status is Status.FAILED


@pytest.mark.parametrize("code", CONCLUDED)
def test_rule_late_success(code):
    decision = judge(success(file(path="out/late.mp4")), of=failed(code))
    assert (decision.rule, decision.status) == ("late_success", Status.COMPLETED)
    assert decision.failure is None
    assert decision.output_path == "out/late.mp4"
    assert code.value in decision.reason


def test_rule_late_success__by_tagged_outputs():
    decision = judge(absent(), of=failed(FailureCode.LOST), tagged_outputs=(file(),))
    assert (decision.rule, decision.status) == ("late_success", Status.COMPLETED)


def test_rule_late_success__ignored_where_told_to():
    decision = judge(
        success(file()),
        of=failed(FailureCode.STALLED),
        policy=Policy(accept_late_success=False),
    )
    assert (decision.rule, decision.status) == ("late_success", Status.FAILED)
    assert decision.failure is FailureCode.STALLED
    assert decision.evidence["outputs"] == [
        {"path": "out/a.mp4", "state": "sound", "proof": "decoded"}
    ]


@pytest.mark.parametrize("code", CONCLUDED)
@pytest.mark.parametrize(
    "prompts",
    [
        (),
        (running(),),
        (pending(),),
        (absent(),),
        (ended(EndKind.ERROR),),
        (success(),),
        (success(file(FileState.UNCHECKED)),),
        (success(file()), running(prompt_id="p2")),
        (success(file()), ended(EndKind.REMOVED, prompt_id="p2")),
    ],
    ids=lambda prompts: "+".join(
        p.ending.kind.value if p.ending else p.place.value for p in prompts
    ),
)
def test_rule_failed(code, prompts):
    decision = judge(*prompts, of=failed(code))
    assert (decision.rule, decision.status) == ("failed", Status.FAILED)
    assert decision.failure is code
    assert code.value in decision.reason


def test_rule_error():
    decision = judge(
        ended(
            EndKind.ERROR,
            node_id="7",
            node_type="KSampler",
            exception_type="ValueError",
            message="bad latent",
        )
    )
    assert (decision.rule, decision.status) == ("error", Status.FAILED)
    assert decision.failure is FailureCode.EXECUTION_ERROR
    assert decision.reason == "node 7 (KSampler): ValueError: bad latent"
    assert decision.prompt_id == "p1"
    assert decision.evidence["exception_type"] == "ValueError"


def test_rule_error__out_of_memory_is_told_apart():
    decision = judge(ended(EndKind.ERROR, out_of_memory=True, exception_type="OutOfMemoryError"))
    assert decision.failure is FailureCode.OUT_OF_MEMORY
    assert "OutOfMemoryError" in decision.reason


def test_rule_error__that_says_nothing_of_itself():
    assert judge(ended(EndKind.ERROR)).reason == "ComfyUI: error without a message"
    assert judge(ended(EndKind.ERROR, node_id="7")).reason.startswith("node 7: ")


def test_rule_error__interrupted_by_someone():
    decision = judge(ended(EndKind.INTERRUPTED, node_id="7", node_type="KSampler"))
    assert decision.failure is FailureCode.INTERRUPTED
    assert decision.reason == "interrupted by someone in node 7 (KSampler)"


def test_rule_error__interrupted_by_us_is_the_stall_it_was_for():
    decision = judge(ended(EndKind.INTERRUPTED, interrupted_by_us=True))
    assert decision.failure is FailureCode.STALLED
    assert "stalled" in decision.reason


def test_rule_removed():
    decision = judge(ended(EndKind.REMOVED), of=job(Status.QUEUED))
    assert (decision.rule, decision.status) == ("removed", Status.CANCELLED)
    assert decision.failure is None
    assert "deleted from ComfyUI's queue" in decision.reason
    assert decision.evidence["ending"] == "removed"


def test_rule_removed__waits_for_prompts_that_are_open():
    gone = ended(EndKind.REMOVED, prompt_id="p2")
    assert judge(gone, running()).rule == "running"
    assert judge(gone, prompt(Place.UNKNOWN)).rule == "no_answer"
    assert judge(gone, success(file())).rule == "removed"


@pytest.mark.parametrize("prompts", [(success(file()),), (success(broken()),), (absent(),)])
@pytest.mark.parametrize("status", [Status.QUEUED, Status.PROCESSING])
def test_rule_storage(prompts, status):
    decision = judge(*prompts, of=job(status), storage_healthy=False, tagged_outputs=(file(),))
    assert (decision.rule, decision.status) == ("storage", status)
    assert "output directory" in decision.reason
    assert decision.evidence["storage_healthy"] is False
    assert judge(*prompts, of=job(status)).rule != "storage"


def test_rule_success():
    video, preview = file(path="out/b.mp4", is_main=True), file(path="out/b.png")
    decision = judge(success(video, preview))
    assert (decision.rule, decision.status) == ("success", Status.COMPLETED)
    assert decision.output_path == "out/b.mp4"
    assert decision.reason == "2 outputs decode whole, and ComfyUI reported success"
    assert decision.evidence["outputs"] == [
        {"path": "out/b.mp4", "state": "sound", "proof": "decoded"},
        {"path": "out/b.png", "state": "sound", "proof": "decoded"},
    ]


@pytest.mark.parametrize(
    ("digests", "words"),
    [
        (["xxh3_128"], "1 output is whole, identical to what ComfyUI wrote (xxh3_128), and"),
        ([None], "1 output decodes whole, and"),
        (["b", "a", "b"], "3 outputs are whole, identical to what ComfyUI wrote (a, b), and"),
        (["a", None], "2 outputs decode whole, 1 of them identical to what ComfyUI wrote (a), and"),
    ],
)
def test_rule_success__says_identical_only_of_files_whose_digest_was_compared(digests, words):
    files = [file(path=f"{n}.png", identical_by=digest) for n, digest in enumerate(digests)]
    decision = judge(success(*files))
    assert decision.reason == f"{words} ComfyUI reported success"
    proofs = [(f["proof"], f.get("digest")) for f in decision.evidence["outputs"]]
    assert proofs == [("identical" if d else "decoded", d) for d in digests]


def test_rule_success__points_at_the_last_file_where_none_is_the_main_one():
    first, last = file(path="a"), file(path="b")
    assert judge(success(first), success(last, prompt_id="p2")).output_path == "b"


def test_rule_success__of_cached_nodes_says_so():
    decision = judge(success(file(), cached=True))
    assert decision.status is Status.COMPLETED
    assert "(cached)" in decision.reason
    assert decision.evidence["cached"] is True


@pytest.mark.parametrize("state", [s for s in FileState if s not in TAKEN])
def test_rule_success__needs_every_output(state):
    for outputs in ((file(), file(state)), (file(state), file())):
        assert judge(success(*outputs)).status is not Status.COMPLETED
        assert judge(success(outputs[0]), success(outputs[1])).status is not Status.COMPLETED


def test_rule_unjudged():
    odd = file(FileState.UNJUDGED, "out/b.mov", unjudged="no decoder for vvc", is_main=True)
    decision = judge(success(file(), odd))
    assert (decision.rule, decision.status) == ("unjudged", Status.COMPLETED)
    assert decision.reason == (
        "warning: b.mov cannot be judged (no decoder for vvc); ComfyUI reported success"
    )
    assert decision.warning == "b.mov cannot be judged (no decoder for vvc)"
    assert decision.output_path == "out/b.mov"
    assert decision.evidence["outputs"][1] == {
        "path": "out/b.mov",
        "state": "unjudged",
        "unjudged": "no decoder for vvc",
    }


def test_rule_unjudged__tells_what_a_digest_adds():
    odd = file(FileState.UNJUDGED, unjudged="no decoder", identical_by="sha256")
    decision = judge(success(odd, file(FileState.UNJUDGED, path="b")))
    assert "a.mp4 and 1 more cannot be judged (no decoder), but is identical" in decision.reason
    assert decision.evidence["outputs"][0]["proof"] == "identical"


def test_rule_unjudged__fails_where_told_to_once_it_was_confirmed():
    refuse = Policy(unjudged_completes=False)
    odd = file(FileState.UNJUDGED, unjudged="no decoder for vvc")
    early = judge(success(odd), policy=refuse)
    assert (early.rule, early.status) == ("validating", Status.PROCESSING)
    assert "1 of 1 outputs to be checked" in early.reason
    decision = judge(success(replace(odd, confirmed=True)), policy=refuse)
    assert (decision.rule, decision.status) == ("unjudged", Status.FAILED)
    assert decision.failure is FailureCode.UNJUDGED_OUTPUT
    assert decision.reason == (
        "a.mp4 cannot be judged (no decoder for vvc), though ComfyUI reported success"
    )
    assert decision.output_path == "out/a.mp4"


@pytest.mark.parametrize("refuse", [True, False])
def test_rule_unjudged__is_outranked_by_what_is_known_of_other_files(refuse):
    policy, odd = Policy(unjudged_completes=not refuse), file(FileState.UNJUDGED, confirmed=True)
    assert judge(success(odd, broken("moov box missing")), policy=policy).rule == "invalid_output"
    assert judge(success(odd, file(FileState.UNCHECKED)), policy=policy).rule == "validating"


def test_rule_late_success__takes_what_the_settings_take():
    odd = success(file(FileState.UNJUDGED, unjudged="no decoder", confirmed=True))
    late = judge(odd, of=failed(FailureCode.UNJUDGED_OUTPUT))
    assert (late.rule, late.status) == ("late_success", Status.COMPLETED)
    assert "warning: a.mp4 cannot be judged" in late.reason
    assert late.warning == "a.mp4 cannot be judged (no decoder)"
    policy = Policy(unjudged_completes=False)
    assert judge(odd, of=failed(FailureCode.LOST), policy=policy).rule == "failed"


def test_rule_invalid_output():
    decision = judge(success(file(), broken("71 of 72 frames", "moov box missing", path="x.mp4")))
    assert (decision.rule, decision.status) == ("invalid_output", Status.FAILED)
    assert decision.failure is FailureCode.INVALID_OUTPUT
    assert decision.reason == "x.mp4: 71 of 72 frames; moov box missing"
    assert decision.output_path == "x.mp4"
    assert decision.evidence["outputs"][1]["defects"] == ["71 of 72 frames", "moov box missing"]


def test_rule_invalid_output__is_not_believed_at_first_sight():
    decision = judge(success(broken("moov box missing", confirmed=False)))
    assert (decision.rule, decision.status) == ("validating", Status.PROCESSING)


def test_rule_missing_output():
    lacking = success(file(), file(FileState.ABSENT, "b"), file(FileState.ABSENT, "c"))
    decision = judge(lacking, now=NOW + 60)
    assert (decision.rule, decision.status) == ("missing_output", Status.FAILED)
    assert decision.failure is FailureCode.MISSING_OUTPUT
    assert "b and 1 more is not on disk" in decision.reason
    assert decision.evidence["outputs"][1] == {"path": "b", "state": "absent"}


def test_rule_missing_output__by_the_clock_of_its_own_prompt():
    old = success(file(), ending_seen_at=NOW - 600)
    for seen_at in (None, NOW):
        young = success(file(FileState.ABSENT), ending_seen_at=seen_at, prompt_id="p2")
        assert judge(old, young).rule == "validating"


def test_rule_no_output():
    decision = judge(success())
    assert (decision.rule, decision.status) == ("no_output", Status.FAILED)
    assert decision.failure is FailureCode.NO_OUTPUT
    assert "output node" in decision.reason
    # The prompt that saves may have been queued by this one a moment ago.
    assert decision.needs_second_look


def test_rule_no_output__completed_where_allowed():
    decision = judge(success(), policy=Policy(allow_no_output=True))
    assert (decision.rule, decision.status) == ("no_output", Status.COMPLETED)
    assert decision.needs_second_look
    assert decision.output_path is None


def test_rule_no_output__is_about_all_prompts_together():
    assert judge(success(), success(file(), prompt_id="p2")).status is Status.COMPLETED
    assert judge(success(), running(prompt_id="p2")).rule == "running"


@pytest.mark.parametrize("state", [FileState.ABSENT, FileState.UNSETTLED, FileState.UNCHECKED])
def test_rule_validating(state):
    decision = judge(success(file(), file(state)))
    assert (decision.rule, decision.status) == ("validating", Status.PROCESSING)
    assert decision.stage is Stage.VALIDATING
    assert "1 of 2 outputs" in decision.reason


def test_rule_validating__says_what_keeps_it_and_how_far_it_is():
    slow = file(FileState.UNCHECKED, "out/b.mp4", checked="42 % checked (310 of 740 s)")
    decision = judge(success(file(), slow))
    assert decision.reason.startswith("b.mp4: 42 % checked (310 of 740 s); 1 of 2 outputs")
    words = "cannot be opened: Permission denied; tried 5 times"
    denied = file(FileState.UNCHECKED, "out/c.mp4", trouble=words)
    decision = judge(success(slow, denied))
    assert decision.reason.startswith(f"c.mp4: {words}; 2 of 2 outputs to be checked")
    assert decision.evidence["outputs"][1]["trouble"] == words


def test_rule_tagged_output__an_unjudged_file_is_no_proof_and_is_not_waited_for():
    odd = file(FileState.UNJUDGED, unjudged="no decoder")
    decision = judge(absent(), tagged_outputs=(odd,))
    assert (decision.rule, decision.status) == ("lost", Status.FAILED)
    assert decision.evidence["partial_files"][0]["unjudged"] == "no decoder"


def test_rule_tagged_output():
    files = (file(path="a.png", node_id="9"), file(path="b.mp4", node_id="12", is_main=True))
    decision = judge(absent(output_nodes=2), tagged_outputs=files)
    assert (decision.rule, decision.status) == ("tagged_output", Status.COMPLETED)
    assert decision.output_path == "b.mp4"
    assert "carry its tag" in decision.reason
    assert decision.evidence["missing_looks"] == 9


def test_rule_tagged_output__one_for_every_output_node():
    nodes = [file(node_id="9"), file(node_id="9"), file(node_id="12"), file(), file()]
    assert judge(absent(output_nodes=2), tagged_outputs=tuple(nodes[:2])).rule == "lost"
    assert judge(absent(output_nodes=2), tagged_outputs=tuple(nodes[3:])).rule == "lost"
    assert judge(absent(output_nodes=2), tagged_outputs=tuple(nodes)).rule == "tagged_output"
    # Weaker: nobody knows how many output nodes there are.
    assert judge(absent(), tagged_outputs=(nodes[0],)).rule == "tagged_output"


@pytest.mark.parametrize("state", [FileState.UNSETTLED, FileState.UNCHECKED, FileState.UNSOUND])
@pytest.mark.parametrize("boot_changed_since", [None, NOW - 600])
def test_rule_tagged_output__no_loss_while_they_are_checked(state, boot_changed_since):
    lost = absent(boot_changed_since=boot_changed_since)
    decision = judge(lost, tagged_outputs=(file(), file(state)))
    assert (decision.rule, decision.status) == ("tagged_output", Status.PROCESSING)
    assert "1 of 2 tagged outputs" in decision.reason


@pytest.mark.parametrize("bad", [broken("no moov"), file(FileState.ABSENT)])
def test_rule_tagged_output__broken_ones_prove_nothing(bad):
    assert judge(absent(), tagged_outputs=(file(), bad)).rule == "lost"


@pytest.mark.parametrize(
    ("other", "status"),
    [
        (success(file(), prompt_id="p0"), Status.COMPLETED),
        (success(prompt_id="p0"), Status.COMPLETED),
        (success(broken(), prompt_id="p0"), Status.FAILED),
        (success(file(FileState.UNCHECKED), prompt_id="p0"), Status.FAILED),
        (ended(EndKind.REMOVED, prompt_id="p0"), Status.FAILED),
        (absent(prompt_id="p0"), Status.FAILED),
    ],
)
def test_rule_tagged_output__proves_its_own_prompt_only(other, status):
    assert judge(other, absent(), tagged_outputs=(file(prompt_id="p1"),)).status is status


def test_rule_tagged_output__of_several_prompts_by_the_ids_in_the_tags():
    both = (absent(), absent(prompt_id="p2"))
    tagged = (file(prompt_id="p1"), file(prompt_id="p2", path="b.mp4"))
    assert judge(*both, tagged_outputs=tagged).rule == "tagged_output"
    # Without ids nobody knows whether the two are of one prompt.
    assert judge(*both, tagged_outputs=(file(), file())).rule == "lost"
