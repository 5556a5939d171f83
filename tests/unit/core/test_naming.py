"""Ids in paths, and the patterns that a name could keep busy."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.naming import (
    MAX_ID_CHARS,
    MAX_PATH_CHARS,
    MAX_PATTERN_CHARS,
    Named,
    NamePatterns,
    refused_pattern,
)

UUID = "11111111-2222-4333-8444-555555555555"
JOB = r"(.*/)?job-(?P<job_id>[0-9]+)_[0-9]+_[.](png|mp4)"
PROMPT = r"(?P<prompt_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[.].*"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("job-42_00001_.png", Named("42")),
        ("a b/c/job-0042_00001_.mp4", Named("0042")),
        (f"{UUID}.mp4", Named(None, UUID)),
        ("job-42_00001_.png.bak", Named()),
        ("xjob-42_00001_.png", Named()),
        ("job-_00001_.png", Named()),
    ],
)
def test_the_first_pattern_that_matches_the_whole_path_counts(path: str, named: Named) -> None:
    assert NamePatterns([JOB, PROMPT]).read(path) == named


def test_one_pattern_may_name_both() -> None:
    both = r"(?P<job_id>[^/]+)/(?P<prompt_id>[^/]+)/[^/]+"
    assert NamePatterns([both, "(?P<job_id>.*)"]).read("7/p/x.png") == Named("7", "p")


def test_no_pattern_names_nothing() -> None:
    assert NamePatterns().read("job-42_00001_.png") == Named()


@pytest.mark.parametrize("job_id", ["a\nb", "a\x1bb", "\u202e7", "x" * (MAX_ID_CHARS + 1), ""])
def test_what_is_no_id_is_none(job_id: str) -> None:
    assert NamePatterns([r"(?P<job_id>(?:[^/])*)[.]png"]).read(f"{job_id}.png") == Named()


def test_long_paths_are_not_tried() -> None:
    pattern = NamePatterns([r"(?P<job_id>7)a*"])
    assert pattern.read("7" + "a" * (MAX_PATH_CHARS - 1)) == Named("7")
    assert pattern.read("7" + "a" * MAX_PATH_CHARS) == Named()


@pytest.mark.parametrize(
    "pattern",
    [
        JOB,
        PROMPT,
        r"(?P<job_id>\d+)_.*\.(png|mp4|webm)",
        r"(?P<job_id>[)(\]]+)/.*",
        "(?P<job_id>{)",
    ],
)
def test_ordinary_patterns_are_fine(pattern: str) -> None:
    assert refused_pattern(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(?P<job_id>x", "is no regular expression: missing )"),
        ("(?P<job_id>x)(?P<job_id>y)", "is no regular expression"),
        (".*[.]png", "needs a group named job_id or prompt_id"),
        ("(.*)[.]png", "needs a group named job_id or prompt_id"),
        ("(?P<job>x)", "needs a group named job_id or prompt_id, as (?P<job_id>[0-9]+), not job"),
        ("(?P<job_id>x)" + "x" * MAX_PATTERN_CHARS, "is longer than 200 characters"),
        ("(?P<job_id>(a+)+)b", "repeats a group that itself repeats"),
        ("(?P<job_id>(a|aa)+)b", "repeats a group that itself repeats"),
        ("((?P<job_id>a?)){9}", "repeats a group that itself repeats"),
        ("((b|(?P<job_id>a))c)*", "repeats a group that itself repeats"),
        ("(?P<job_id>(a{2,3}){2})", "repeats a group that itself repeats"),
        (".*.*.*(?P<job_id>.*)", "at most three repeats"),
        ("(?P<job_id>" + "a?" * 30 + ")", "matches in too many ways"),
        ("(?P<job_id>" + "(a|a)" * 30 + ")", "matches in too many ways"),
        ("(?P<job_id>a{1,900})a{1,900}a{1,900}", "matches in too many ways"),
        (r"(?P<job_id>\w+)x\1", "may use no look-around"),
        ("(?P<job_id>x)(?P=job_id)", "may use no look-around"),
        ("(?=a)(?P<job_id>x)", "may use no look-around"),
        ("(?P<job_id>x)(?(job_id)a|b)", "may use no look-around"),
        ("(?i:(?P<job_id>x))", "may use no look-around"),
        ("(?P<job_id>" + "(" * 120 + ")" * 50, "is no regular expression"),
    ],
)
def test_refused_patterns_say_why(pattern: str, words: str) -> None:
    assert words in (refused_pattern(pattern) or "")


@dataclass(frozen=True)
class Shape:
    """A piece of a pattern of which it is known how it is built."""

    text: str
    #: It has choices, or comes in several lengths.
    varies: bool = False
    #: Something in it repeats what varies: the ways to match may double with every character.
    nested: bool = False
    unlimited: int = 0
    choices: int = 0


REPEATS = {"*": 0, "+": 0, "?": 2, "*?": 0, "++": 0, "{2}": 1, "{1,3}": 3, "{2,}": 0, "{,2}": 3}


def repeated(inner: Shape, repeat: str) -> Shape:
    once = repeat.startswith("?")
    lengths = REPEATS[repeat]
    return Shape(
        f"(?:{inner.text}){repeat}",
        inner.varies or lengths != 1,
        inner.nested or (inner.varies and not once),
        inner.unlimited + (lengths == 0),
        inner.choices + (lengths > 1),
    )


def joined(parts: list[Shape], by: str) -> Shape:
    text = by.join(part.text for part in parts)
    choices = len(parts) - 1 if by else 0
    return Shape(
        f"({text})" if by else text,
        choices > 0 or any(part.varies for part in parts),
        any(part.nested for part in parts),
        sum(part.unlimited for part in parts),
        choices + sum(part.choices for part in parts),
    )


shapes = st.recursive(
    st.sampled_from(["a", ".", "[a)|*]", r"\)", r"\w", "[^(]", "[]a]"]).map(Shape),
    lambda inner: (
        st.builds(repeated, inner, st.sampled_from(sorted(REPEATS)))
        | st.builds(joined, st.lists(inner, min_size=1, max_size=3), st.sampled_from(["", "|"]))
    ),
    max_leaves=6,
)


@settings(max_examples=500)
@given(shapes)
def test_whatever_repeats_what_varies_is_refused_and_little_else(shape: Shape) -> None:
    refusal = refused_pattern(f"(?P<job_id>x){shape.text}")
    if shape.nested:
        assert refusal is not None
        assert "repeats a group" in refusal
    elif shape.unlimited <= 3 and shape.choices <= 2:
        assert refusal is None
    elif shape.unlimited > 4:
        assert refusal is not None
