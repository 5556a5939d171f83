"""Which thresholds hold for a prompt: the rules of the stall policy, and the stages they name."""

from __future__ import annotations

import pytest

from reconciler.core.evidence import Doing
from reconciler.core.limits import limits_of
from reconciler.core.policy import RunStage, StallMatch, StallPolicy, StallRule
from reconciler.core.stages import is_like, stage_of
from tests.unit.core.builders import job

BASE = StallPolicy(no_progress_s=900, base_s=100, per_frame_s=10, unknown_frames=50)
SAMPLING = Doing("7", "KSampler", 12, 30)


def policy(*rules):
    return StallPolicy(900, 100, 10, unknown_frames=50, rules=rules)


def silence(match, *, of=None, server="gpu-1", doing=SAMPLING):
    """True where the rule with this match holds."""
    rules = policy(StallRule(match, no_progress_s=5))
    return limits_of(of or job(), rules, server, doing).no_progress_s == 5


def test_without_rules_the_policy_holds_for_all():
    limits = limits_of(job(frames=3), BASE, "gpu-1", SAMPLING)
    assert (limits.no_progress_s, limits.budget_s, limits.interrupt) == (900, 130, False)
    assert (limits.no_progress_by, limits.budget_by) == ("stall", "stall")


@pytest.mark.parametrize(
    ("pattern", "job_type", "holds"),
    [
        ("video", "video", True),
        ("video", "Video", True),
        ("video", "video-long", False),
        ("video*", "video-long", True),
        ("*", "anything", True),
        ("*", None, False),
    ],
)
def test_job_type(pattern, job_type, holds):
    assert silence(StallMatch(job_type=pattern), of=job(job_type=job_type)) is holds


@pytest.mark.parametrize(
    ("frames", "holds"), [(71, False), (72, True), (120, True), (121, False), (None, False)]
)
def test_frames(frames, holds):
    match = StallMatch(frames_at_least=72, frames_at_most=120)
    assert silence(match, of=job(frames=frames)) is holds


def test_unknown_frames_are_those_that_the_budget_is_reckoned_with():
    assert silence(StallMatch(frames_at_least=50), of=job(frames=None))
    assert not silence(StallMatch(frames_at_least=51), of=job(frames=None))


def test_server():
    assert silence(StallMatch(server="gpu-1"))
    assert not silence(StallMatch(server="gpu-1"), server="gpu-2")
    assert not silence(StallMatch(server="gpu-1"), server=None)


def test_node_type_and_stage_need_a_node_that_is_known():
    match = StallMatch(node_type="KSampler*")
    assert silence(match)
    assert silence(match, doing=Doing("7", "KSampler (Efficient)"))
    assert not silence(match, doing=Doing("7", "VAEDecode"))
    for unknown in (None, Doing("7"), Doing("7", "")):
        assert not silence(match, doing=unknown)
        assert not any(silence(StallMatch(stage=stage), doing=unknown) for stage in RunStage)


def test_all_that_a_match_names_has_to_apply():
    match = StallMatch(job_type="video", server="gpu-1", stage=RunStage.SAMPLING)
    video = job(job_type="video")
    assert silence(match, of=video)
    assert not silence(match, of=job(job_type="image"))
    assert not silence(match, of=video, server="gpu-2")
    assert not silence(match, of=video, doing=Doing("1", "VAELoader"))


def test_each_threshold_is_that_of_the_first_rule_that_names_it():
    rules = policy(
        StallRule(StallMatch(stage=RunStage.LOADING), no_progress_s=1),
        StallRule(StallMatch(job_type="video"), no_progress_s=2, base_s=3),
        StallRule(
            StallMatch(job_type="*"), no_progress_s=4, base_s=5, per_frame_s=6, interrupt=True
        ),
    )
    video = job(job_type="video", frames=10)
    loading = limits_of(video, rules, None, Doing("1", "VAELoader"))
    sampling = limits_of(video, rules, None, SAMPLING)
    image = limits_of(job(job_type="image", frames=10), rules, None, SAMPLING)
    assert (loading.no_progress_s, loading.no_progress_by) == (1, "stall.rules[0]")
    assert (sampling.no_progress_s, sampling.no_progress_by) == (2, "stall.rules[1]")
    assert (image.no_progress_s, image.no_progress_by) == (4, "stall.rules[2]")
    assert loading.budget_s == sampling.budget_s == 63, "it does not change with the stage"
    assert loading.budget_by == "stall.rules[1] and stall.rules[2]"
    assert (image.budget_s, image.budget_by) == (65, "stall.rules[2]")
    assert loading.interrupt


def test_a_rule_can_say_no_to_what_the_policy_allows():
    gentle = StallPolicy(interrupt=True, rules=(StallRule(StallMatch("video"), interrupt=False),))
    assert limits_of(job(job_type="image"), gentle).interrupt
    assert not limits_of(job(job_type="video"), gentle).interrupt


@pytest.mark.parametrize(
    ("node_type", "stage"),
    [
        ("CheckpointLoaderSimple", RunStage.LOADING),
        ("UNETLoader", RunStage.LOADING),
        ("DownloadAndLoadFlorence2Model", RunStage.LOADING),
        ("VHS_LoadVideo", RunStage.LOADING),
        ("KSampler", RunStage.SAMPLING),
        ("SamplerCustomAdvanced", RunStage.SAMPLING),
        ("WanVideoSampler", RunStage.SAMPLING),
        ("SaveImage", RunStage.ENCODING),
        ("SaveAnimatedWEBP", RunStage.ENCODING),
        ("Image Save", RunStage.ENCODING),
        ("VHS_VideoCombine", RunStage.ENCODING),
        ("VAEDecode", RunStage.RUNNING),
        ("CLIPTextEncode", RunStage.RUNNING),
        ("ConditioningCombine", RunStage.RUNNING),
    ],
)
def test_stage_of_a_node(node_type, stage):
    assert stage_of(Doing("1", node_type, 1, 2)) is stage


def test_a_sampler_that_has_told_no_step_still_loads_its_model():
    assert stage_of(Doing("7", "KSampler")) is RunStage.LOADING
    assert stage_of(Doing("7", "KSampler", 0, 30)) is RunStage.LOADING
    assert stage_of(Doing("7", "KSampler", 1, 30)) is RunStage.SAMPLING


def test_brackets_in_names_of_nodes_mean_themselves():
    assert is_like("Load [best]", "load [best]")
    assert not is_like("Load b", "load [best]")
