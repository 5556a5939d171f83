"""The sections `expectations` and `content`: what a main output must be, beyond being whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from reconciler.core.expectation import Expectation, ExpectedFrames, FrameRule
from reconciler.core.expecting import ExpectPolicy, ExpectRule
from reconciler.settings.fields import Bytes, Count, CountOrZero, Seconds, Section
from reconciler.settings.problems import KeyPath
from reconciler.settings.stall import Name

Column = Literal["frames", "fps", "duration_s", "width", "height", "audio"]
Flag = Literal["ignore", "warn", "refuse"]
FlagName = Literal["black", "frozen", "silent", "near_empty"]
Percent = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]


class ContentSettings(Section):
    """What is thought of content that a person would not want, though the file is whole."""

    black: Flag = "ignore"
    frozen: Flag = "ignore"
    #: Stretches shorter than this are no warning.
    frozen_s: Seconds = 2.0
    silent: Flag = "ignore"
    near_empty: Flag = "ignore"


class ExpectMatchSettings(Section):
    """Which jobs a rule is for."""

    #: A pattern: `*` stands for anything, case makes no difference.
    job_type: Name


class ExpectRuleSettings(Section):
    """What is expected of the main output of some jobs; None = as without the rule."""

    match: ExpectMatchSettings
    frames: FrameRule | None = None
    frame_count: Count | None = None
    frame_factor: Annotated[Count, Field(le=64)] | None = None
    frame_tolerance: CountOrZero | None = None
    fps: Rate | None = None
    duration_s: Seconds | None = None
    width: Count | None = None
    height: Count | None = None
    min_bytes: Bytes | None = None
    audio: bool | None = None
    #: Flags of content that refuse a file, instead of those of `content`.
    refuse: tuple[FlagName, ...] | None = None

    def rule(self) -> ExpectRule:
        """The rule as expectations are made with it."""
        values = Expectation(
            frames=None if self.frame_count is None else ExpectedFrames(self.frame_count),
            fps=self.fps,
            duration_s=self.duration_s,
            width=self.width,
            height=self.height,
            min_bytes=None if self.min_bytes is None else int(self.min_bytes),
            audio=self.audio,
        )
        refuse = None if self.refuse is None else frozenset(self.refuse)
        return ExpectRule(
            self.match.job_type,
            self.frames,
            self.frame_factor,
            self.frame_tolerance,
            values,
            refuse,
        )


class ExpectationSettings(Section):
    """How expectations are found, and how exactly they must be met."""

    column_default: Literal["ignore", "expect"] = "ignore"
    columns: tuple[Column, ...] = ("frames",)
    workflow: bool = True
    fps_tolerance_percent: Percent = 1.0
    duration_tolerance_percent: Percent = 1.0
    #: Exceptions. Each value is that of the first rule that matches and names it.
    rules: tuple[ExpectRuleSettings, ...] = ()

    def policy(self, content: ContentSettings, frame_tolerance: int) -> ExpectPolicy:
        """What expectations are made with."""
        flags = {name: getattr(content, name) for name in FLAGS}
        return ExpectPolicy(
            column_default_counts=self.column_default == "expect",
            columns=frozenset(self.columns),
            workflow=self.workflow,
            frame_tolerance=frame_tolerance,
            fps_within=self.fps_tolerance_percent / 100,
            duration_within=self.duration_tolerance_percent / 100,
            refuse=frozenset(name for name, flag in flags.items() if flag == "refuse"),
            rules=tuple(rule.rule() for rule in self.rules),
        )


#: The flags, by the kind of the warning that each gives.
FLAGS: tuple[FlagName, ...] = ("black", "frozen", "silent", "near_empty")


def looked_for(content: ContentSettings, rules: tuple[ExpectRuleSettings, ...]) -> frozenset[str]:
    """The flags that somebody wants to hear of: by `content`, or since a rule refuses them."""
    refused = {flag for rule in rules for flag in rule.refuse or ()}
    return frozenset(n for n in FLAGS if getattr(content, n) != "ignore" or n in refused)


def expectation_conflicts(rules: tuple[ExpectRuleSettings, ...]) -> Iterator[tuple[KeyPath, str]]:
    """What is contradictory or without effect: the key below `expectations.rules`, and why."""
    matches = [rule.match.job_type.casefold() for rule in rules]
    for position, rule in enumerate(rules):
        if (earlier := matches.index(matches[position])) < position:
            text = f"is the match of rules[{earlier}] too; make one rule of both"
            yield (position, "match"), text
        if rule == ExpectRuleSettings(match=rule.match):
            yield (position,), "changes nothing; give it frames, fps or another expectation"
        if rule.frames is FrameRule.IGNORE and rule.frame_count is not None:
            yield (position, "frame_count"), "has no effect beside `frames: ignore`"
