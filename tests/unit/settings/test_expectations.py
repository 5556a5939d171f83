"""The sections `expectations` and `content`: what they say, and what is wrong in them."""

from __future__ import annotations

import textwrap

import pytest
import yaml

from reconciler.core.expectation import Expectation, ExpectedFrames, FrameRule
from reconciler.core.expecting import ExpectRule
from reconciler.outputs.wanted import Wanted
from reconciler.service.inspecting import wanted_of
from reconciler.settings import Settings, load
from reconciler.settings.problems import ANY, known_paths
from tests.unit.settings.conftest import Problems, WriteFile
from tests.unit.settings.test_reference import REFERENCE, comments


def entry() -> str:
    """The commented entry of a rule in the reference, uncommented."""
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    inside = lines[lines.index("expectations:") :]
    inside = inside[inside.index("  rules: []") + 1 :]
    text = "\n".join(line[6:] for line in inside[: inside.index("")])
    return textwrap.dedent(text[text.index("- #") :].replace("- #", "  #"))


def test_the_reference_has_every_key_of_a_rule() -> None:
    above = ("expectations", "rules", ANY)
    known = {p[len(above) :] for p in known_paths(Settings) if p[: len(above)] == above} - {()}
    assert {tuple(key.split(".")) for key in comments(entry())} == known


def test_the_commented_rule_reaches_the_policy(write: WriteFile) -> None:
    rule = yaml.safe_load(entry())
    path = write(yaml.safe_dump({"expectations": {"rules": [rule]}}))
    (read,) = load(config=path, environ={}).expect_policy().rules
    values = Expectation(ExpectedFrames(72), 24.0, 5.0, 1024, 1024, 100_000, True)
    refuse = frozenset({"black", "silent"})
    assert read == ExpectRule("interpolate*", FrameRule.EXACT, 2, 1, values, refuse)


def test_content_is_looked_at_only_where_somebody_wants_it(write: WriteFile) -> None:
    assert wanted_of(Settings()) == Wanted()
    rule = "expectations: {rules: [{match: {job_type: a}, refuse: [silent]}]}\n"
    settings = load(config=write(rule + "content: {frozen: warn, black: refuse}"), environ={})
    assert wanted_of(settings) == Wanted(black=True, frozen_s=2.0, silent=True)
    assert settings.expect_policy().refuse == {"black"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{match: {job_type: a}}", "rules[0]: changes nothing"),
        ("{match: {job_type: a}, frames: ignore, frame_count: 5}", "has no effect beside"),
        ("{match: {job_type: a}, refuse: [dull]}", "should be 'black', 'frozen', 'silent'"),
    ],
)
def test_mistakes_in_rules(problems: Problems, rule: str, expected: str) -> None:
    (problem,) = problems(f"expectations: {{rules: [{rule}]}}")
    assert expected in problem
