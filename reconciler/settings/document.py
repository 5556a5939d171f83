"""The settings file: read, parsed, and able to say in which line a setting stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reconciler.errors import SettingsError
from reconciler.settings.problems import KeyPath, Problem, printable

#: Far above any real file; keeps a wrong path (a video, /dev/zero) from being read to its end.
MAX_FILE_BYTES = 2**20
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
#: Settings that are paths on this machine, hence relative to the file's folder.
_SERVER_PATHS = ("output_dir", "tls_ca")
_ENDPOINT_PATHS = ("tls_ca",)


@dataclass(frozen=True, slots=True)
class Document:
    """A settings file that was read."""

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    #: Keys given twice, keys that are no text.
    problems: tuple[Problem, ...] = ()
    root: yaml.Node | None = None

    def line_of(self, path: KeyPath) -> int:
        """The line, from 1, of the deepest part of `path` that the file has; 0 for the file."""
        node, line = self.root, 0
        for key in path:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
        return line


def read(path: Path) -> Document:
    """Read and parse a settings file. An empty one sets nothing.

    Raises SettingsError if it cannot be read or is no YAML, naming line and column.
    """
    text = _text(path)
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        problems = tuple(_cleaned(root, path))
        values = {} if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}{_where_and_what(error)}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # PyYAML's constructors let these out for values such as !!int x or the date 2026-99-99.
        raise SettingsError(
            f"{path}: a value does not fit its YAML type ({printable(str(error))}): quote it"
        ) from None
    except RecursionError:
        raise SettingsError(f"{path}: is nested too deeply for a settings file") from None
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: should hold sections (`key: value`), not one list or text")
    return Document(path, _rooted(values, path.parent), problems, root)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"{path}: cannot be read: {reason}. Name another file with --config or"
            " RECONCILER_CONFIG (/dev/null for none)"
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"{path}: is larger than {MAX_FILE_BYTES} bytes: no settings file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}, line {line}: is not UTF-8; save the file as UTF-8") from None


def _where_and_what(error: yaml.YAMLError) -> str:
    # Never str(error): it quotes the file, and a secret may stand in that line.
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        reason = getattr(error, "reason", "unreadable")
        return f": broken YAML: {reason} at character {getattr(error, 'position', 0)}"
    problem = printable(str(getattr(error, "problem", None) or "unreadable"))
    context = getattr(error, "context", None)
    while_doing = f" ({printable(context)})" if context else ""
    hint = "; indent with spaces" if "\\t" in problem else ""
    hint = hint or ("; quote a text that holds a colon" if "mapping values" in problem else "")
    place = f", line {mark.line + 1}, column {mark.column + 1}"
    return f"{place}: broken YAML: {problem}{while_doing}{hint}"


def _cleaned(root: yaml.Node | None, path: Path) -> Iterator[Problem]:
    """Take keys out that are no text, and report them and those given twice.

    Each node is visited once, however many aliases lead to it.
    """
    todo, seen = [root] if root else [], set[int]()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo += node.value
        if isinstance(node, yaml.MappingNode):
            yield from _clean_keys(node, path)
            todo += [value for _, value in node.value]


def _clean_keys(node: yaml.MappingNode, path: Path) -> Iterator[Problem]:
    kept, lines = [], dict[str, int]()
    for key, value in node.value:
        line = key.start_mark.line + 1
        place = f"{path}, line {line}"
        if key.tag not in (_TEXT, _MERGE):
            name = printable(key.value) if isinstance(key, yaml.ScalarNode) else "a key"
            yield Problem(place, "is not read as text; quote it if it is meant", name, line)
            continue
        kept.append((key, value))
        if key.value in lines:
            text = f"was given in line {lines[key.value]} already; keep one of them"
            yield Problem(place, text, printable(key.value), line)
        lines[key.value] = line
    node.value = kept


def _child(node: yaml.Node | None, key: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    # The last one wins, as it does in the values.
    return next(((k.start_mark.line + 1, v) for k, v in reversed(pairs) if k.value == key), None)


def _rooted(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths of this machine, made relative to the file's folder rather than to wherever we run."""
    rooted: dict[str, Any] = _joined(values, ("data_dir",), folder)
    if isinstance(servers := rooted.get("servers"), list):
        rooted["servers"] = [_joined(server, _SERVER_PATHS, folder) for server in servers]
    webhooks = rooted.get("webhooks")
    if isinstance(webhooks, dict) and isinstance(endpoints := webhooks.get("endpoints"), list):
        joined = [_joined(endpoint, _ENDPOINT_PATHS, folder) for endpoint in endpoints]
        rooted["webhooks"] = {**webhooks, "endpoints": joined}
    return rooted


def _joined(section: Any, keys: tuple[str, ...], folder: Path) -> Any:
    if not isinstance(section, dict):
        return section
    paths = {key: section[key] for key in keys if isinstance(section.get(key), str)}
    joined = {
        key: str(folder / path) for key, path in paths.items() if path and not path.startswith("~")
    }
    return {**section, **joined}
