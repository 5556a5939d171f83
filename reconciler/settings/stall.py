"""The section `stall`: when a running prompt counts as stalled, and for which prompts otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from reconciler.core.evidence import Doing
from reconciler.core.policy import RunStage, StallMatch, StallPolicy, StallRule
from reconciler.core.stages import stage_of
from reconciler.settings.fields import Count, CountOrZero, Seconds, SecondsOrZero, Section
from reconciler.settings.problems import KeyPath, printable

MAX_NAME_LENGTH = 200


def _name(text: str) -> str:
    if not text or len(text) > MAX_NAME_LENGTH or not text.isprintable() or text != text.strip():
        raise ValueError(
            f"should be 1 to {MAX_NAME_LENGTH} characters in one line, no spaces around them"
        )
    return text


Name = Annotated[str, AfterValidator(_name)]


class BudgetSettings(Section):
    """The longest that a prompt may run: base_s + per_frame_s * frames."""

    base_s: Seconds = 180.0
    per_frame_s: SecondsOrZero = 30.0
    #: Frames assumed where the job does not say.
    unknown_frames: Count = 240
    #: Silence that has to go with an exceeded budget, where it would have been heard broken.
    quiet_s: SecondsOrZero = 300.0


class RuleBudgetSettings(Section):
    """The part of a budget that differs; None = as without the rule."""

    base_s: Seconds | None = None
    per_frame_s: SecondsOrZero | None = None


class StallMatchSettings(Section):
    """Which prompts a rule is for: all that is named has to apply."""

    #: Patterns: `*` stands for anything, case makes no difference.
    job_type: Name | None = None
    node_type: Name | None = None
    frames_at_least: CountOrZero | None = None
    frames_at_most: CountOrZero | None = None
    #: The name of a server.
    server: Name | None = None
    stage: RunStage | None = None


class StallRuleSettings(Section):
    """Thresholds that differ for some prompts; None = as without the rule."""

    match: StallMatchSettings
    no_progress_s: Seconds | None = None
    budget: RuleBudgetSettings = RuleBudgetSettings()
    interrupt: bool | None = None

    def rule(self) -> StallRule:
        """The rule as decisions use it."""
        return StallRule(
            StallMatch(**dict(self.match)),
            no_progress_s=self.no_progress_s,
            base_s=self.budget.base_s,
            per_frame_s=self.budget.per_frame_s,
            interrupt=self.interrupt,
        )


class StallSettings(Section):
    """When a running prompt counts as stalled."""

    no_progress_s: Seconds = 900.0
    startup_grace_s: SecondsOrZero = 60.0
    #: Ask ComfyUI to interrupt a prompt that stalled.
    interrupt: bool = False
    budget: BudgetSettings = BudgetSettings()
    #: Exceptions. Each threshold is that of the first rule that matches and names it.
    rules: tuple[StallRuleSettings, ...] = ()

    def policy(self) -> StallPolicy:
        """The thresholds for `decide`."""
        return StallPolicy(
            no_progress_s=self.no_progress_s,
            base_s=self.budget.base_s,
            per_frame_s=self.budget.per_frame_s,
            unknown_frames=self.budget.unknown_frames,
            quiet_s=self.budget.quiet_s,
            startup_grace_s=self.startup_grace_s,
            interrupt=self.interrupt,
            rules=tuple(rule.rule() for rule in self.rules),
        )


def rule_conflicts(
    rules: tuple[StallRuleSettings, ...], servers: list[str]
) -> Iterator[tuple[KeyPath, str]]:
    """What is contradictory or without effect: the key below `stall.rules`, and why."""
    matches = [rule.match for rule in rules]
    for position, rule in enumerate(rules):
        if (earlier := matches.index(rule.match)) < position:
            yield (
                (position, "match"),
                f"is the match of rules[{earlier}] too; make one rule of both",
            )
        yield from (((position, *path), text) for path, text in _within(rule))
        name = rule.match.server
        if name is not None and servers and name not in servers:
            known = ", ".join(printable(server) for server in servers)
            yield (position, "match", "server"), f"is the name of no server; there are: {known}"


def _within(rule: StallRuleSettings) -> Iterator[tuple[KeyPath, str]]:
    match, budget = rule.match, rule.budget
    if match == StallMatchSettings():
        names = ", ".join(StallMatchSettings.model_fields)
        text = f"should name one of {names}; what holds for all prompts stands in stall itself"
        yield ("match",), text
    sets_budget = budget != RuleBudgetSettings()
    if not sets_budget and rule.no_progress_s is None and rule.interrupt is None:
        yield (), "changes nothing; give it no_progress_s, budget or interrupt"
    if sets_budget and (match.stage is not None or match.node_type is not None):
        text = (
            "cannot depend on stage or node_type: a prompt goes through several of them and has"
            " one budget for all; put it into a rule without them"
        )
        yield ("budget",), text
    least, most = match.frames_at_least, match.frames_at_most
    if least is not None and most is not None and least > most:
        text = f"should be at most frames_at_most ({most}): no job has both"
        yield ("match", "frames_at_least"), text
    if match.stage is not None and match.stage not in _stages(match.node_type):
        text = f"is never {match.stage.value} at a node of type {printable(match.node_type or '')}"
        yield ("match", "stage"), text


def _stages(node_type: str | None) -> set[RunStage | None]:
    """The stages in which a node of this type can be; all where that is a pattern."""
    if node_type is None or "*" in node_type or "?" in node_type:
        return set(RunStage)
    return {stage_of(Doing("", node_type, step, 2)) for step in (0, 1)}
