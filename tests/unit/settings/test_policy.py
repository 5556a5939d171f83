"""The thresholds that `decide` gets are the settings, one for one."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.policy import Policy
from reconciler.settings import Settings, load


def test_defaults_are_those_of_the_policy() -> None:
    assert Settings().policy() == Policy()


#: Each field of the policy, and a setting that changes it alone.
CHANGES: dict[str, tuple[str, Any]] = {
    "stall.no_progress_s": ("stall.no_progress_s", 1),
    "stall.base_s": ("stall.budget.base_s", 1),
    "stall.per_frame_s": ("stall.budget.per_frame_s", 1),
    "stall.unknown_frames": ("stall.budget.unknown_frames", 1),
    "stall.quiet_s": ("stall.budget.quiet_s", 1),
    "stall.startup_grace_s": ("stall.startup_grace_s", 1),
    "stall.interrupt": ("stall.interrupt", True),
    "stall.rules": ("stall.rules", [{"match": {"job_type": "image"}, "no_progress_s": 1}]),
    "accept_late_success": ("verdicts.late_success", "ignore"),
    "allow_no_output": ("verdicts.no_output", "complete"),
    "unjudged_completes": ("verdicts.unjudged", "fail"),
    "missing_output_grace_s": ("outputs.missing_output_grace_s", 1),
    "lost_confirmations": ("lost.confirmations", 1),
    "lost_grace_s": ("lost.grace_s", 1),
    "restart_grace_s": ("lost.restart_grace_s", 1),
    "queue_timeout_s": ("timeouts.queue_s", 1),
    "submit_timeout_s": ("timeouts.submit_s", 1),
    "never_seen_timeout_s": ("timeouts.never_seen_s", 1),
    "server_down_timeout_s": ("timeouts.server_down_s", None),
}


def flat(value: Any, above: str = "") -> dict[str, Any]:
    found = {}
    for field in fields(value):
        inner = getattr(value, field.name)
        name = f"{above}{field.name}"
        found |= flat(inner, f"{name}.") if is_dataclass(inner) else {name: inner}
    return found


def test_no_field_of_the_policy_is_out_of_reach() -> None:
    assert set(CHANGES) == set(flat(Policy()))


@pytest.mark.parametrize("changed", sorted(CHANGES))
def test_a_setting_changes_its_threshold_and_no_other(changed: str) -> None:
    key, value = CHANGES[changed]
    flags: Any = value
    for part in reversed(key.split(".")):
        flags = {part: flags}
    before = flat(Policy())
    after = flat(load(config=Path("/dev/null"), environ={}, flags=flags).policy())
    assert {name for name in before if before[name] != after[name]} == {changed}
