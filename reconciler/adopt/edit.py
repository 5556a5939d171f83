"""Settings put into a YAML text; every line that is not about them stays as it is, byte for byte.

A YAML library that writes a whole file anew moves comments and alters how values are aligned. Here
the parser only says where things stand, and whether the result means what it should.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from reconciler.adopt.changes import Line, plain
from reconciler.errors import SettingsError
from reconciler.outputs.text import printable

_STEP = "  "
#: Of a line of a comment.
_WIDTH = 90
#: Texts that may stand without quotes.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./ -]*(?<! )")


@dataclass(frozen=True, slots=True)
class _Edit:
    """Characters `start` to `end` become `text`."""

    start: int
    end: int
    text: str


def edited(text: str, wanted: Mapping[str, Any]) -> str:
    """The text with these settings in it. Raises SettingsError where that cannot be done safely."""
    newline = "\r\n" if "\r\n" in text else "\n"
    before = text.replace("\r\n", "\n")
    root = yaml.compose(before, Loader=yaml.SafeLoader)
    if root is None or _is_null(root):
        start = before + ("\n" if before and not before.endswith("\n") else "")
        after = start + _block(wanted, "")
    else:
        after = before
        # From the end, so that places stay right; of two at one place the outer section's is last.
        edits = reversed(list(_edits(root, wanted, before)))
        for edit in sorted(edits, key=lambda each: -each.start):
            after = after[: edit.start] + edit.text + after[edit.end :]
    _require_meaning(before, after, wanted)
    return after.replace("\n", newline)


def _edits(node: yaml.Node, wanted: Mapping[str, Any], text: str) -> Iterator[_Edit]:
    if not isinstance(node, yaml.MappingNode):
        raise SettingsError("a section of the file is no section: lines of `key: value` below it")
    missing: dict[str, Any] = {}
    for key, value in wanted.items():
        found = next(((k, v) for k, v in node.value if k.value == key), None)
        if found is None:
            missing[key] = value
        elif isinstance(value, Line):
            if yaml.SafeLoader("").construct_document(found[1]) != value.value:
                yield _replaced(*found, value)
        elif _is_null(found[1]):
            yield _filled(found, value, text)
        else:
            yield from _edits(found[1], value, text)
    if missing:
        yield _added(node, missing, text)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _replaced(key: yaml.Node, node: yaml.Node, line: Line) -> _Edit:
    start, end = node.start_mark.index, _end(node)
    space = " " if start == end else ""  # `key:` with nothing after it
    if node.start_mark.line > key.end_mark.line:
        space = _STEP  # a list may stand right below its key, what replaces it may not
    return _Edit(start, end, space + _value(line.value))


def _filled(found: tuple[yaml.Node, yaml.Node], value: Mapping[str, Any], text: str) -> _Edit:
    """A section whose keys are all commented out, or that is null."""
    key, node = found
    if node.start_mark.index != node.end_mark.index:
        return _Edit(node.start_mark.index, node.end_mark.index, _flow(value))
    indent = " " * key.start_mark.column + _STEP
    at = _line_end(text, key.end_mark.index)
    return _Edit(at, at, "\n" + _block(value, indent).rstrip("\n"))


def _added(node: yaml.MappingNode, missing: Mapping[str, Any], text: str) -> _Edit:
    """New keys at the end of a section, before whatever comment follows it."""
    if node.flow_style:
        at = node.end_mark.index - 1
        before = ", " if node.value else ""
        return _Edit(at, at, before + _flow(missing)[1:-1])
    indent = " " * node.value[0][0].start_mark.column
    at = _line_end(text, _end(node))
    block = _block(missing, indent).rstrip("\n")
    return _Edit(at, at, ("\n\n" if not indent else "\n") + block)


def _end(node: yaml.Node) -> int:
    """Where a node's content ends: the parser counts the comments after a block to it."""
    if (
        isinstance(node, yaml.MappingNode | yaml.SequenceNode)
        and not node.flow_style
        and node.value
    ):
        last = node.value[-1]
        return max(_end(part) for part in (last if isinstance(last, tuple) else (last,)))
    return int(node.end_mark.index)


def _line_end(text: str, index: int) -> int:
    if index and text[index - 1] == "\n":  # a block of text ends after its line
        return index - 1
    end = text.find("\n", index)
    return len(text) if end < 0 else end


def _block(wanted: Mapping[str, Any], indent: str) -> str:
    lines = []
    for key, value in wanted.items():
        if isinstance(value, Line):
            reason = textwrap.wrap(printable(value.reason, 1000), _WIDTH, break_long_words=False)
            lines += [f"{indent}# {part}\n" for part in reason]
            lines.append(f"{indent}{key}: {_value(value.value)}\n")
        else:
            lines.append(f"{indent}{key}:\n{_block(value, indent + _STEP)}")
    return "".join(lines)


def _flow(wanted: Mapping[str, Any]) -> str:
    """On one line, where there is no room for reasons."""
    return json.dumps(plain(wanted), ensure_ascii=False)


def _value(value: Any) -> str:
    """One value on one line: plain where it is read as it stands, else as JSON."""
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and yaml.safe_load(value) == value
        return value if is_plain else _in_quotes(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_value(inner)}' for key, inner in value.items())}}}"
    return json.dumps(value)


def _in_quotes(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', width=sys.maxsize).strip()


def _require_meaning(before: str, after: str, wanted: Mapping[str, Any]) -> None:
    """The new text says what the old one said, and what is wanted, and nothing else."""
    expected = _merged(yaml.safe_load(before) or {}, plain(wanted))
    try:
        is_right = yaml.safe_load(after) == expected
    except yaml.YAMLError:
        is_right = False
    if not is_right:
        raise SettingsError(
            "this file cannot be changed safely by a program (anchors, or values over many lines):"
            f" put this in by hand:\n{_block(wanted, '')}"
        )


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
