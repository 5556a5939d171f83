"""Any job, evidence and policy, out of few values, so that thresholds and proofs are met by chance.

A prompt has the fields that its place or ending gives it; `wild_prompts` has any in any.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from reconciler.core.evidence import (
    Doing,
    Ending,
    EndKind,
    Evidence,
    FileState,
    ListedFile,
    OutputFile,
    Place,
    PromptEvidence,
    Source,
)
from reconciler.core.jobs import FailureCode, Job, Status
from reconciler.core.policy import Policy, RunStage, StallMatch, StallPolicy, StallRule

#: A busy machine is slow now and then: no test fails of it.
PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def examples(count):
    """The decorator of a property: so many examples."""
    return settings(PATIENT, max_examples=count)


IDS = ["p1", "p2", "p3"]
OPEN = (Status.QUEUED, Status.PROCESSING)

times = st.sampled_from([0.0, 1.0, 19.0, 20.0, 21.0, 99.0, 100.0, 300.0, -7.5, 1e9])
maybe_times = st.none() | times
spans = st.sampled_from([0.0, 1.0, 20.0, 100.0])
limits = st.none() | spans
counts = st.integers(0, 3)
words = st.sampled_from([None, "", "x", "|\n`\x00", "\udc80", "ComfyUI"])

doings = st.none() | st.builds(
    Doing,
    node_id=st.sampled_from(["1", "2"]),
    node_type=st.sampled_from([None, "KSampler", "VAELoader", "x"]),
    value=st.sampled_from([0.0, 3.0]),
    maximum=st.sampled_from([0.0, 30.0]),
)
stall_rules = st.builds(
    StallRule,
    match=st.builds(
        StallMatch,
        node_type=st.sampled_from([None, "*sampler"]),
        frames_at_least=st.sampled_from([None, 2]),
        server=words,
        stage=st.none() | st.sampled_from(RunStage),
    ),
    no_progress_s=limits,
    base_s=limits,
    interrupt=st.none() | st.booleans(),
)

policies = st.builds(
    Policy,
    stall=st.builds(
        StallPolicy,
        no_progress_s=spans,
        base_s=spans,
        per_frame_s=spans,
        unknown_frames=counts,
        startup_grace_s=spans,
        interrupt=st.booleans(),
        rules=st.lists(stall_rules, max_size=2).map(tuple),
    ),
    accept_late_success=st.booleans(),
    allow_no_output=st.booleans(),
    unjudged_completes=st.booleans(),
    missing_output_grace_s=spans,
    lost_confirmations=counts,
    lost_grace_s=spans,
    restart_grace_s=spans,
    queue_timeout_s=limits,
    submit_timeout_s=limits,
    never_seen_timeout_s=limits,
    server_down_timeout_s=limits,
)


def _jobs(status, failure):
    return st.builds(
        Job,
        id=st.just("42"),
        status=status,
        failure=failure,
        attempt=st.just(1),
        prompt_id=st.sampled_from([None, *IDS]),
        opened_at=times,
        frames=st.sampled_from([None, -1, 0, 3]),
    )


open_jobs = _jobs(st.sampled_from(OPEN), st.none())
failed_jobs = _jobs(st.just(Status.FAILED), st.none() | st.sampled_from(FailureCode))
jobs = open_jobs | failed_jobs | _jobs(st.sampled_from(Status), st.none())

outputs = st.lists(
    st.builds(
        OutputFile,
        path=st.sampled_from(["a.mp4", "b.png"]),
        # Mostly sound: a proof of success must be met by chance often enough.
        state=st.sampled_from([FileState.SOUND] * 6 + list(FileState)),
        is_main=st.booleans(),
        node_id=st.sampled_from([None, "1", "2"]),
        defects=st.sampled_from([(), ("71 of 72 frames",)]),
        confirmed=st.booleans(),
        prompt_id=st.sampled_from([None, *IDS]),
    ),
    max_size=3,
).map(tuple)

kinds = st.sampled_from([kind for kind in EndKind if kind is not EndKind.SUCCESS])
other_endings = st.builds(
    Ending,
    kind=kinds,
    source=st.sampled_from(Source),
    node_id=words,
    node_type=words,
    exception_type=words,
    message=words,
    out_of_memory=st.booleans(),
)
successes = st.builds(
    Ending,
    kind=st.just(EndKind.SUCCESS),
    source=st.sampled_from(Source),
    files=st.just((ListedFile("9", "a.png", "", "temp", "images"),)),
    cached=st.booleans(),
    ended_at=maybe_times,
)

#: What may be told of a prompt in each state; the rest has its default.
FIELDS = {
    "running": {
        "place": st.just(Place.RUNNING),
        "running_since": maybe_times,
        "unwatched_s": spans,
        "doing": doings,
        "last_sign_at": maybe_times,
        "witness_since": maybe_times,
        "worker_dead": st.sampled_from([False, False, True]),
    },
    "pending": {"place": st.just(Place.PENDING), "position": st.sampled_from([None, 1, 2])},
    "unknown": {"place": st.just(Place.UNKNOWN)},
    "absent": {
        "place": st.just(Place.ABSENT),
        "missing_looks": counts,
        "missing_since": maybe_times,
        "boot_changed_since": maybe_times,
        "output_nodes": st.sampled_from([None, 0, 1, 2]),
    },
    "success": {
        "place": st.sampled_from(Place),
        "ending": successes,
        "ending_seen_at": maybe_times,
        "outputs": outputs,
    },
    "other": {
        "place": st.sampled_from(Place),
        "ending": other_endings,
        "interrupted_by_us": st.booleans(),
    },
}
#: The states that the prompts of one job mix: any, or those whose mixtures matter most.
MIXTURES = [
    list(FIELDS),
    ["absent"],
    ["success"],
    ["absent", "success"],
    ["absent", "unknown"],
    ["absent", "running"],
    ["unknown", "success"],
    ["running", "pending", "success"],
    ["other", "success", "absent"],
]


def prompts(prompt_id, fields):
    known = {"prompt_id": st.just(prompt_id), "server": words, "ever_seen": st.booleans()}
    return st.builds(PromptEvidence, **(known | fields))


PROMPTS = {(i, state): prompts(i, FIELDS[state]) for i in IDS for state in FIELDS}


@st.composite
def _prompts_of_a_job(draw):
    states = st.sampled_from(draw(st.sampled_from(MIXTURES)))
    return tuple(draw(PROMPTS[i, draw(states)]) for i in IDS[: draw(st.integers(0, 3))])


def _evidence(prompts_of_a_job):
    return st.builds(
        Evidence,
        prompts=prompts_of_a_job,
        tagged_outputs=st.just(()) | outputs,
        storage_healthy=st.sampled_from([True, True, True, False]),
        unreachable_since=maybe_times,
        unreachable_how=words,
        watching_since=times,
        cancel_asked_by=st.sampled_from([None, None, None, "ana"]),
    )


evidences = _evidence(_prompts_of_a_job())

#: Contradictions, and times that are infinite or no number at all.
wild_times = st.none() | st.floats()
WILD = {key: value for fields in FIELDS.values() for key, value in fields.items()} | {
    "place": st.sampled_from(Place),
    "ending": st.none() | successes | other_endings,
    "position": st.integers(-3, 3),
}
WILD |= {key: wild_times for key in WILD if key.endswith(("_since", "_at"))}
wild_evidences = _evidence(st.tuples(*(prompts(i, WILD) for i in IDS)))
