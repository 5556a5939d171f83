"""Ids read off a file's path, where the settings say how names are built.

The patterns are the operator's, but the names are anybody's: a name must not be able to keep the
matching busy. So a pattern may not repeat what itself varies in length or has choices, the ways in
which it can match a path are counted and limited, and only paths of bounded length are tried.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_PATTERNS = 20
MAX_PATTERN_CHARS = 200
#: Longer paths are matched by no pattern, longer ids are none.
MAX_PATH_CHARS = 300
MAX_ID_CHARS = 200
#: Ways in which a pattern may match a path, at most: three repeats without a limit and a choice of
#: six. For the worst of names that is half a second, for real ones nothing.
MAX_WAYS = 30_000_000
JOB_ID, PROMPT_ID = "job_id", "prompt_id"

#: What an escape, a class or a plain character is: one thing to repeat.
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P<\w+>|\(\?:|\(\?|.", re.DOTALL)
_REPEAT = re.compile(r"(?:[*+?]|\{(?P<least>\d*)(?P<comma>,?)(?P<most>\d*)\})[?+]?")


@dataclass(frozen=True, slots=True)
class Named:
    """What a path says; None where it does not."""

    job_id: str | None = None
    prompt_id: str | None = None


def refused_pattern(pattern: str) -> str | None:
    """Why a pattern cannot be used, in words that say what to do; None if it can."""
    if len(pattern) > MAX_PATTERN_CHARS:
        return f"is longer than {MAX_PATTERN_CHARS} characters"
    try:
        groups = set(re.compile(pattern).groupindex)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    strange = sorted(groups - {JOB_ID, PROMPT_ID})
    if strange or not groups:
        named = f", not {strange[0]}" if strange else ""
        return f"needs a group named job_id or prompt_id, as (?P<job_id>[0-9]+){named}"
    return _refused_shape(pattern)


def _refused_shape(pattern: str) -> str | None:
    """Why matching could take long."""
    varies: list[bool] = []  # for each open group, whether what stands in it has choices
    unlimited, ways, position, inside = 0, 1, 0, False
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        assert token is not None  # any character is a token
        position = token.end()
        if token[0] == "(?" or re.fullmatch(r"\\[1-9]", token[0]):
            return "may use no look-around, flags, back-references or other (?...) but names"
        if token[0].startswith("("):
            varies.append(False)
            continue
        inside = token[0] == ")" and bool(varies) and varies.pop()
        repeat = None if token[0] == "|" else _REPEAT.match(pattern, position)
        lengths = 2 if token[0] == "|" else 1
        if repeat is not None:
            position = repeat.end()
            if inside and not repeat[0].startswith("?"):
                return "repeats a group that itself repeats or has choices; write it out"
            lengths = _lengths(repeat)
        unlimited += lengths == 0
        ways *= max(lengths, 1)
        if varies:
            varies[-1] |= inside or lengths != 1
    if ways * math.comb(MAX_PATH_CHARS + unlimited, unlimited) > MAX_WAYS:
        return "matches in too many ways; at most three repeats may be without a limit (* + {2,})"
    return None


def _lengths(repeat: re.Match[str]) -> int:
    """In how many lengths a repeat comes; 0 = without a limit."""
    if repeat[0][0] != "{":
        return 2 if repeat[0][0] == "?" else 0
    least, most = repeat["least"] or "0", repeat["most"]
    if not repeat["comma"]:
        return 1
    return max(int(most) - int(least) + 1, 1) if most else 0


class NamePatterns:
    """The patterns of the settings, compiled. The first that matches a whole path counts."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Takes patterns that `refused_pattern` has nothing against."""
        self._patterns: Sequence[re.Pattern[str]] = [re.compile(each) for each in patterns]

    def read(self, relative: str) -> Named:
        """The ids in a path below the output directory, its folders separated by `/`."""
        if len(relative) > MAX_PATH_CHARS:
            return Named()
        for pattern in self._patterns:
            if found := pattern.fullmatch(relative):
                ids = found.groupdict()
                return Named(_id(ids.get(JOB_ID)), _id(ids.get(PROMPT_ID)))
        return Named()


def _id(text: str | None) -> str | None:
    """As it stands in the path: an id has to equal the row's, so it is never trimmed or folded."""
    fits = text is not None and 0 < len(text) <= MAX_ID_CHARS and text.isprintable()
    return text if fits else None
