"""What is expected of the files of one job: by its row, its prompt, the settings, its graph."""

from __future__ import annotations

from reconciler.core.evidence import Ending
from reconciler.core.expectation import Expectation, Expected, ExpectedFrames, Stated
from reconciler.core.expecting import ExpectPolicy, expected_of
from reconciler.store.records import JobRecord

#: A name of a node in a sentence is no longer: it is outside text.
_MAX_SAID = 80


def expected_of_main(
    record: JobRecord,
    policy: ExpectPolicy,
    ending: Ending | None = None,
    node_id: str | None = None,
) -> Expected:
    """What the main output must be, which the saver `node_id` wrote in a prompt that ended so."""
    return expected_of(
        record.job.job_type,
        record.expects,
        frames_by_default=record.frames_by_default,
        others=_node(ending),
        workflow=_workflow(ending, node_id),
        policy=policy,
    )


def _node(ending: Ending | None) -> list[Stated]:
    frames = None if ending is None else ending.expected_frames
    if frames is None:
        return []
    return [Stated("Expect Frames node", Expectation(frames=ExpectedFrames(frames)))]


def _workflow(ending: Ending | None, node_id: str | None) -> Stated | None:
    promises = () if ending is None else ending.promises
    promise = next((one for one in promises if one.node_id == node_id), None)
    if promise is None:
        return None
    frames = None if promise.frames is None else ExpectedFrames(promise.frames)
    by = f"the workflow's node {promise.node_id[:_MAX_SAID]} ({promise.node_type[:_MAX_SAID]})"
    return Stated(by, Expectation(frames=frames, fps=promise.fps))
