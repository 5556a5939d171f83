"""Settings from environment variables: RECONCILER_SECTION__KEY."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from reconciler.settings.model import Settings
from reconciler.settings.problems import ANY, KeyPath, Problem, printable

PREFIX = "RECONCILER_"
#: Names the settings file, and is no setting.
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
#: Kubernetes gives every container such variables for each service of the namespace; one that is
#: called reconciler must not break us.
_SERVICE_LINK = re.compile(
    r"RECONCILER_(?:[A-Z0-9]+_)*?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9]+)*|PORT(?:_\d+_\w+)?)"
)


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment sets."""

    values: Mapping[str, Any]
    variables: tuple[str, ...]
    problems: tuple[Problem, ...]

    def place_of(self, path: KeyPath) -> str:
        """The variable that set `path`: the one that names most of it."""
        full = _variable(str(key) for key in path)
        setters = [name for name in self.variables if f"{full}__".startswith(f"{name.upper()}__")]
        return f"environment variable {max(setters, key=len, default=full)}"


def read_environment(environ: Mapping[str, str], known: Iterable[KeyPath]) -> Environment:
    """The layer that variables form. Empty variables count as unset, `null` as null."""
    names = [_variable(map(str, path)) for path in known if ANY not in path]
    given = {name: value for name, value in environ.items() if _is_ours(name) and value}
    right = {name: value for name, value in given.items() if name.upper() in names}
    problems = [
        Problem(f"environment variable {printable(name)}", f"sets nothing; {_advice(name, names)}")
        for name in sorted(given.keys() - right.keys())
    ]
    return Environment(_Variables(right)(), tuple(sorted(right)), tuple(problems))


class _Variables(EnvSettingsSource):
    """pydantic-settings' own reading of variables, from a mapping instead of the process."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        super().__init__(
            Settings, env_prefix=PREFIX, env_nested_delimiter="__", env_parse_none_str="null"
        )

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return parse_env_vars(self._variables, parse_none_str=self.env_parse_none_str)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON where it is JSON. Else the text, which the model refuses along with the rest."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError):
            return value


def _variable(path: Iterable[str]) -> str:
    return PREFIX + "__".join(path).upper()


def _is_ours(name: str) -> bool:
    upper = name.upper()
    return (
        upper.startswith(PREFIX) and upper != CONFIG_VARIABLE and not _SERVICE_LINK.fullmatch(upper)
    )


def _advice(name: str, names: list[str]) -> str:
    if name.upper().startswith(f"{PREFIX}SERVERS_"):
        return f'servers are one JSON list: {PREFIX}SERVERS=\'[{{"url": "http://..."}}]\''
    # Without the prefix, which would make anything resemble everything.
    tails = {right.removeprefix(PREFIX): right for right in (*names, CONFIG_VARIABLE)}
    close = difflib.get_close_matches(name.upper().removeprefix(PREFIX), tails, n=1)
    return f"did you mean {tails[close[0]]}?" if close else "config/reconciler.yaml lists all"
