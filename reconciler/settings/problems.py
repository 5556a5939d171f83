"""What is wrong with settings, in words: where, which key, what, and the nearest right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic_core import ErrorDetails

#: Keys and list positions from the top to a setting: ("servers", 0, "url").
KeyPath = tuple[str | int, ...]

#: Stands for any position in a list.
ANY = "*"
MAX_REPORTED = 50
MAX_SHOWN_LENGTH = 80
_UNITS = {"_s": "seconds", "_bytes": "bytes", "_px": "pixels"}
#: Pydantic's error types.
_LIMITS = ("greater_", "less_", "finite_")
_OF_NUMBERS = (*_LIMITS, "float_", "int_", "byte_size")
_SECTION = "should be a section: lines of `key: value`, indented below it"
_LIST = "should be a list: lines that start with `- `, or JSON in an environment variable"
_FIXED = {
    "missing": "is missing and has no default",
    "model_type": _SECTION,
    "dict_type": _SECTION,
    "tuple_type": _LIST,
    "string_type": "should be text; put it in quotes",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    #: A file and line, or an environment variable, or "flags".
    place: str
    text: str
    key: str = ""
    #: Orders the problems of one file.
    line: int = 0

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.text) if part)


def report(problems: Sequence[Problem]) -> str:
    """All problems as one message, each on its line, in the order in which the file has them."""
    lines = [str(problem) for problem in sorted(problems, key=lambda problem: problem.line)]
    if len(lines) == 1:
        return lines[0]
    more = len(lines) - MAX_REPORTED
    shown = [*lines[:MAX_REPORTED], f"and {more} more"] if more > 0 else lines
    return "\n  ".join([f"{len(lines)} problems in the settings:", *shown])


def known_paths(model: type[BaseModel], above: KeyPath = ()) -> Iterator[KeyPath]:
    """Every setting and section of a model; entries of a list stand below `ANY`."""
    for name, field in model.model_fields.items():
        path = (*above, name)
        yield path
        inner = getattr(field.annotation, "__args__", ())[:1]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known_paths(field.annotation, path)
        elif inner and isinstance(inner[0], type) and issubclass(inner[0], BaseModel):
            yield from known_paths(inner[0], (*path, ANY))


def dotted(path: KeyPath) -> str:
    """A path for people: `servers[0].url`; strange keys escaped and cut."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{printable(key)}"
    return text.removeprefix(".")


def printable(text: str) -> str:
    """Outside text, bounded, and escaped if it holds anything that could move a cursor."""
    short = text if len(text) <= MAX_SHOWN_LENGTH else f"{text[:MAX_SHOWN_LENGTH]}..."
    return short if short.isprintable() else ascii(short)


def advice(path: KeyPath, known: Sequence[KeyPath]) -> str:
    """What to write instead of a key that does not exist."""
    parent = tuple(ANY if isinstance(key, int) else key for key in path[:-1])
    siblings = [str(candidate[-1]) for candidate in known if candidate[:-1] == parent]
    key = str(path[-1]).lower().replace("-", "_")
    # What stands in no list comes first: there it is what is meant, most likely.
    known = [path for path in known if ANY not in path] + [path for path in known if ANY in path]
    same = [candidate for candidate in known if candidate[-1] == key]
    elsewhere = [dotted(found) for found in same if ANY not in found or ANY in same[0]]
    close = difflib.get_close_matches(key, siblings, n=1)
    beside = [dotted((*path[:-1], name)) for name in close]
    if likely := dict.fromkeys([*elsewhere, *beside]):
        return f"did you mean {' or '.join(likely)}?"
    leaves = {str(candidate[-1]): candidate for candidate in reversed(known)}
    if close := difflib.get_close_matches(key, leaves, n=1, cutoff=0.75):
        return f"did you mean {dotted(leaves[close[0]])}?"
    return f"known here: {', '.join(siblings)}"


def words(error: ErrorDetails, known: Sequence[KeyPath]) -> str:
    """Pydantic's finding in this project's words. Values are quoted only where none is secret."""
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"there is no such setting; {advice(error['loc'], known)}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in ("literal_error", "enum"):
        return f"should be {error['ctx']['expected']}, not {_shown(error)}{_nearest(error)}"
    if kind.startswith("bool_"):
        return f"should be true or false, not {_shown(error)}"
    if kind.startswith(_OF_NUMBERS):
        return f"{_number(error)}, not {_shown(error)}"
    return _FIXED.get(kind) or error["msg"].replace("Input should", "should")


def _number(error: ErrorDetails) -> str:
    key = str(error["loc"][-1])
    unit = next((f" ({unit})" for end, unit in _UNITS.items() if key.endswith(end)), "")
    if error["type"].startswith(_LIMITS):
        return error["msg"].replace("Input should", "should") + unit
    whole = "a whole number" if error["type"].startswith("int_") else "a number"
    return f"should be {whole}{unit}" + (", such as 64 MiB" if key.endswith("_bytes") else "")


def _nearest(error: ErrorDetails) -> str:
    choices = str(error["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
    close = difflib.get_close_matches(str(error["input"]).lower(), choices, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _shown(error: ErrorDetails) -> str:
    value = error["input"]
    if isinstance(value, bool):
        return str(value).lower() + " (YAML reads yes, no, on and off as true and false)"
    if isinstance(value, str | int | float):
        return printable(repr(value))
    return "null" if value is None else "a list or section"
