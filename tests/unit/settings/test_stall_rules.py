"""The rules of the stall section: what they say, what is wrong in them, how they are documented."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.core.policy import RunStage, StallMatch, StallRule
from reconciler.settings import Settings, load
from reconciler.settings.problems import ANY, known_paths
from tests.unit.settings.conftest import Problems, WriteFile
from tests.unit.settings.test_reference import REFERENCE, ROOT, comments

RULES = """\
servers: [{url: http://a, name: gpu1}]
stall:
  rules:
    - match: {job_type: video*, frames_at_least: 121, frames_at_most: 121, server: gpu1}
      no_progress_s: 1800
      budget: {base_s: 600}
    - match:
        node_type: VAEDecode
        stage: running
      interrupt: yes
"""


def entry() -> str:
    """The commented entry of a rule in the reference, uncommented: a mapping with comments."""
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    inside = lines[lines.index("  rules: []") + 1 :]
    text = "\n".join(line[6:] for line in inside[: inside.index("")])
    return textwrap.dedent(text[text.index("- #") :].replace("- #", "  #"))


def test_a_rule_reaches_the_policy_as_it_is_written(write: WriteFile) -> None:
    policy = load(config=write(RULES), environ={}).policy()
    assert policy.stall.rules == (
        StallRule(
            StallMatch("video*", frames_at_least=121, frames_at_most=121, server="gpu1"),
            no_progress_s=1800,
            base_s=600,
        ),
        StallRule(StallMatch(node_type="VAEDecode", stage=RunStage.RUNNING), interrupt=True),
    )


def test_rules_may_come_from_the_environment() -> None:
    text = json.dumps([{"match": {"stage": "loading"}, "no_progress_s": 3600}])
    environ = {"RECONCILER_STALL__RULES": text}
    (rule,) = load(config=Path("/dev/null"), environ=environ).policy().stall.rules
    assert (rule.match.stage, rule.no_progress_s) == (RunStage.LOADING, 3600)


def test_rules_are_shown_as_they_were_set(write: WriteFile) -> None:
    shown = load(config=write(RULES), environ={}).shown()
    again = write(yaml.safe_dump(shown))
    assert load(config=again, environ={}).stall == load(config=write(RULES), environ={}).stall


def test_the_reference_has_every_key_of_a_rule_and_says_what_it_is() -> None:
    above = ("stall", "rules", ANY)
    known = {p[len(above) :] for p in known_paths(Settings) if p[: len(above)] == above} - {()}
    documented = comments(entry())
    assert {tuple(key.split(".")) for key in documented} == known
    for key, comment in documented.items():
        assert len(comment.split()) >= 4, f"{key}: says too little of what it is"


def test_the_commented_rule_is_right_once_uncommented(tmp_path: Path) -> None:
    rule: dict[str, Any] = yaml.safe_load(entry())
    del rule["budget"]  # excludes the node and the stage of the example
    path = tmp_path / "with-rule.yaml"
    servers = "servers: [{url: 'http://a', name: gpu1}]\n"
    path.write_text(servers + yaml.safe_dump({"stall": {"rules": [rule]}}), encoding="utf-8")
    (read,) = load(config=path, environ={}).stall.rules
    assert read.match.stage is RunStage.SAMPLING


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{match: {}, no_progress_s: 5}", "rules[0].match: should name one of job_type, node_type"),
        ("{no_progress_s: 5}", "rules[0].match: is missing and has no default"),
        ("{match: {job_type: a}}", "rules[0]: changes nothing; give it no_progress_s, budget or"),
        (
            "{match: {frames_at_least: 9, frames_at_most: 8}, no_progress_s: 5}",
            "rules[0].match.frames_at_least: should be at most frames_at_most (8)",
        ),
        (
            "{match: {stage: loading}, budget: {base_s: 5}}",
            "rules[0].budget: cannot depend on stage or node_type",
        ),
        (
            "{match: {node_type: x}, budget: {per_frame_s: 0}}",
            "rules[0].budget: cannot depend on stage or node_type",
        ),
        (
            "{match: {node_type: KSampler, stage: encoding}, no_progress_s: 5}",
            "rules[0].match.stage: is never encoding at a node of type KSampler",
        ),
        (
            "{match: {server: gpu9}, no_progress_s: 5}",
            "rules[0].match.server: is the name of no server; there are: gpu1, gpu2",
        ),
        (
            "{match: {job_typ: a}, no_progress_s: 5}",
            "rules[0].match.job_typ: there is no such setting; did you mean"
            " stall.rules[0].match.job_type?",
        ),
        (
            "{match: {job_type: a}, startup_grace_s: 5}",
            "rules[0].startup_grace_s: there is no such setting; did you mean"
            " stall.startup_grace_s?",
        ),
        ("{match: {stage: lading}, no_progress_s: 5}", "not 'lading'; did you mean loading?"),
        ("{match: {job_type: ''}, no_progress_s: 5}", "should be 1 to 200 characters in one line"),
        ("{match: {job_type: 5}, no_progress_s: 5}", "should be text; put it in quotes"),
        ("{match: {job_type: a}, no_progress_s: 0}", "should be greater than 0 (seconds), not 0"),
        ("{match: {frames_at_least: -1}, no_progress_s: 5}", "greater than or equal to 0, not -1"),
        ("{match: {job_type: a}, interrupt: maybe}", "should be true or false, not 'maybe'"),
        ("{match: a, no_progress_s: 5}", "should be a section"),
    ],
)
def test_a_mistake_names_line_key_and_what_is_right(
    problems: Problems, rule: str, expected: str
) -> None:
    servers = "servers: [{url: http://a, name: gpu1}, {url: http://b, name: gpu2}]\n"
    (problem,) = problems(f"{servers}stall:\n  rules:\n  - {rule}\n")
    assert problem.startswith("reconciler.yaml, line 4: stall.rules[0]")
    assert expected in problem


def test_the_rules_in_the_docs_are_right(write: WriteFile) -> None:
    text = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    rules = load(config=write(example), environ={}).policy().stall.rules
    assert [rule.no_progress_s for rule in rules] == [3600, 300, None, 2700]


def test_two_rules_with_one_match_are_one(problems: Problems) -> None:
    rules = "stall:\n  rules:\n  - {match: {job_type: a}, no_progress_s: 5}\n"
    (problem,) = problems(f"{rules}  - {{match: {{job_type: a}}, interrupt: true}}\n")
    assert "line 4: stall.rules[1].match: is the match of rules[0] too; make one rule" in problem


def test_rules_that_are_no_list(problems: Problems) -> None:
    (problem,) = problems("stall: {rules: {no_progress_s: 5}}")
    assert "stall.rules: should be a list" in problem


def test_a_server_can_only_be_checked_where_there_are_any(write: WriteFile) -> None:
    text = "stall: {rules: [{match: {server: gpu9}, no_progress_s: 5}]}"
    assert load(config=write(text), environ={}).stall.rules[0].match.server == "gpu9"
