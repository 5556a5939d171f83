"""Whether progress counts to 1 or to 100."""

from __future__ import annotations

import re

from reconciler.adopt import names
from reconciler.adopt.facts import Column, ColumnSample, Family
from reconciler.adopt.proposal import Choice, Confidence, Given

SETTING = ("jobs", "progress")
_BOUND = re.compile(r"<=? \(*'?(\d+(?:\.\d+)?)'?")


def recognise_scale(column: Column, seen: ColumnSample, given: Given) -> Choice:
    """The scale of a progress column, by what it can hold, what it does hold, or its name."""
    if given.progress is not None:
        return Choice(SETTING, given.progress, Confidence.GIVEN, "the settings say so")
    scale, confidence, reason = _scale(column, seen)
    if confidence is Confidence.ASSUMED and "progress" in given.repeated:
        return Choice(SETTING, "percent", Confidence.GIVEN, "the settings say so")
    return Choice(SETTING, scale, confidence, reason)


def _scale(column: Column, seen: ColumnSample) -> tuple[str, Confidence, str]:
    return (
        _by_what_it_can_hold(column)
        or _by_what_it_holds(seen)
        or _by_name(column)
        or (
            "fraction",
            Confidence.ASSUMED,
            f"no value says so; who takes {column.type} mostly counts to 1",
        )
    )


def _by_what_it_can_hold(column: Column) -> tuple[str, Confidence, str] | None:
    """A type, or a CHECK, that only one of the two fits into."""
    whole, point = column.precision or (3, 1)
    if column.family is Family.WHOLE or point <= 0:
        return "percent", Confidence.CERTAIN, f"{column.type} cannot hold a fraction"
    bounds = [float(number) for check in column.checks for number in _BOUND.findall(check)]
    if bounds:
        scale = "fraction" if max(bounds) <= 1 else "percent"
        return scale, Confidence.CERTAIN, f"its CHECK allows up to {max(bounds):g}"
    if whole < 3:
        return "fraction", Confidence.CERTAIN, f"{column.type} cannot hold 100"
    return None


def _by_what_it_holds(seen: ColumnSample) -> tuple[str, Confidence, str] | None:
    if seen.most is None:
        return None
    if seen.most > 1:
        return "percent", Confidence.CERTAIN, f"values up to {seen.most:g} were seen"
    if seen.fractions or (seen.most == 1 and seen.count > 1):
        return "fraction", Confidence.LIKELY, f"no value seen exceeds {seen.most:g}"
    return None


def _by_name(column: Column) -> tuple[str, Confidence, str] | None:
    name = names.normal(column.name)
    if re.search("perc|pct", name):
        return "percent", Confidence.LIKELY, "by its name"
    if re.search("fraction|ratio", name):
        return "fraction", Confidence.LIKELY, "by its name"
    return None
