"""The decision table as Markdown, written from the rules that decide.

`python -m reconciler.core.table` prints it. docs/decisions.md holds it between two markers.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.decide import RULES, Rule

BEGIN = "<!-- decision table: written by reconciler.core.table, do not edit by hand -->"
END = "<!-- end of the decision table -->"


def render(rules: Sequence[Rule] = RULES) -> str:
    """The table, one line a rule, in the order in which the rules are tried."""
    lines = ["| | rule | evidence | decision |", "| ---: | --- | --- | --- |"]
    for number, rule in enumerate(rules, start=1):
        when, then = _cell(rule.when), _cell(rule.then)
        lines.append(f"| {number} | `{rule.name}` | {when} | {then} |")
    return "\n".join(lines) + "\n"


def embed(document: str, rules: Sequence[Rule] = RULES) -> str:
    """The document with the table that stands between its markers written anew.

    Raises ValueError where a marker is missing.
    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document lacks the line {END if begin else BEGIN!r}: put it back")
    return f"{head}{BEGIN}\n\n{render(rules)}\n{END}{tail}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201
