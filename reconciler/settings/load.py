"""Find the sources, merge them, and say everything that is wrong at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from reconciler.errors import SettingsError
from reconciler.settings import document, places
from reconciler.settings.checks import conflicts
from reconciler.settings.document import Document
from reconciler.settings.environment import CONFIG_VARIABLE, Environment, read_environment
from reconciler.settings.model import Settings
from reconciler.settings.problems import KeyPath, Problem, dotted, known_paths, report, words
from reconciler.settings.source import Source


def load(
    *,
    config: Path | None = None,
    flags: Mapping[str, Any] = MappingProxyType({}),
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from flags, else environment, else file, else defaults.

    `flags` is nested as the file is, and holds only what was given. `config` names the file; else
    RECONCILER_CONFIG does; else ./reconciler.yaml, ~/.config/reconciler/reconciler.yaml and
    /etc/reconciler/reconciler.yaml are tried, and none of them is fine too.

    Raises SettingsError with every problem: its file and line or variable, its key, what is
    wrong, and the nearest right key.
    """
    environ = os.environ if environ is None else environ
    named = config or (Path(name) if (name := environ.get(CONFIG_VARIABLE)) else None)
    searched = (named,) if named else places.candidates(environ)
    path = places.find(named, searched)
    known = tuple(known_paths(Settings))
    file = document.read(path) if path else Document()
    layers = _Layers(flags, read_environment(environ, known), file)
    problems = [*layers.environment.problems, *file.problems]
    source = Source(path, searched, layers.environment.variables, tuple(_leaves(flags)))
    try:
        settings = Settings.merged(layers.values(), environ, source)
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems += (layers.problem(each["loc"], words(each, known)) for each in found)
        raise SettingsError(report(problems)) from None
    problems += (layers.problem(key, text) for key, text in conflicts(settings))
    if problems:
        raise SettingsError(report(problems))
    return settings


@dataclass(frozen=True, slots=True)
class _Layers:
    """The sources above the defaults, best first."""

    flags: Mapping[str, Any]
    environment: Environment
    file: Document

    def values(self) -> tuple[Mapping[str, Any], ...]:
        return (self.flags, self.environment.values, self.file.values)

    def problem(self, path: KeyPath, text: str) -> Problem:
        """A problem of `path`, placed in the source that the value came from.

        A missing key belongs to the source that holds the section which lacks it.
        """
        for length in range(len(path), 0, -1):
            held = [_holds(values, path[:length]) for values in self.values()]
            if any(held):
                return self._placed(held.index(True), path, text)
        return Problem("defaults", text, dotted(path))

    def _placed(self, layer: int, path: KeyPath, text: str) -> Problem:
        if layer == 0:
            return Problem("command line", text, dotted(path))
        if layer == 1:
            return Problem(self.environment.place_of(path), text, dotted(path))
        line = self.file.line_of(path)
        place = f"{self.file.path}, line {line}" if line else str(self.file.path)
        return Problem(place, text, dotted(path), line)


def _holds(values: Any, path: KeyPath) -> bool:
    for key in path:
        is_entry = isinstance(values, list | tuple) and isinstance(key, int) and key < len(values)
        if not is_entry and not (isinstance(values, Mapping) and key in values):
            return False
        values = values[key]
    return True


def _leaves(values: Mapping[str, Any], above: KeyPath = ()) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        else:
            yield dotted((*above, key))
