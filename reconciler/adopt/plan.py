"""What the settings file becomes, checked before it takes the old one's place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from reconciler.adopt.changes import Line, changes, in_order
from reconciler.adopt.edit import edited
from reconciler.adopt.proposal import Proposal
from reconciler.adopt.secrets import masked
from reconciler.adopt.write import SettingsFile, diff, read_file, write_file
from reconciler.errors import SettingsError
from reconciler.settings import Settings, load
from reconciler.settings.postgres import refused_dsn


@dataclass(frozen=True, slots=True)
class Plan:
    """A settings file, and what it would say."""

    proposal: Proposal
    file: SettingsFile
    #: What is to be written, nested; each a `Line`.
    wanted: Mapping[str, Any]
    new: str

    @property
    def is_nothing(self) -> bool:
        """True where the settings say it all already."""
        return self.new == self.file.text

    def shown(self) -> str:
        """What changes in the file, secrets replaced."""
        return masked(diff(self.file, self.new), self.file.text, self.new)

    def write(self) -> None:
        """Writes the file. Raises SettingsError, and then the old one stands."""
        write_file(self.file, self.new, self._check)

    def _check(self, path: Path) -> None:
        """The new file is read as the service will read it, and says what is proposed."""
        differing = changes(self.proposal, load(config=path))
        if differing:
            names = ", ".join(_names(differing))
            raise SettingsError(
                f"{names}: an environment variable says otherwise than the file would"
                f" ({', '.join(v for v in os.environ if v.startswith('RECONCILER_'))}): unset it"
            )


def planned(proposal: Proposal, settings: Settings, path: Path) -> Plan:
    """What this file becomes. Raises SettingsError where it cannot be read, or not be changed."""
    file = read_file(path)
    there = yaml.safe_load(file.text) or {}
    wanted = changes(proposal, settings)
    for key, line in _database(settings, there.get("database") or {}).items():
        wanted.setdefault("database", {})[key] = line
    wanted = in_order(wanted, Settings)
    return Plan(proposal, file, wanted, edited(file.text, wanted) if wanted else file.text)


def _database(settings: Settings, there: Mapping[str, Any]) -> dict[str, Line]:
    """What flags say of the database, so that the service finds it too. Never a password."""
    database, found = settings.database, {}
    for key in ("url", "own_schema", "own_url"):
        if f"database.{key}" not in settings.source.flags or there.get(key) is not None:
            continue
        value = getattr(database, key)
        text = value if isinstance(value, str) else value.get_secret_value()
        found[key] = Line(*without_password(text)) if key != "own_schema" else Line(text, _FLAG)
    return found


_FLAG = "as it was given"


def without_password(url: str) -> tuple[str, str]:
    """The address for a file that others may read, and what to say of it."""
    from psycopg2.extensions import make_dsn, parse_dsn

    parts = parse_dsn(url)
    secrets = [name for name in parts if name.endswith(("password", "secret"))]
    if not secrets:
        return url, _FLAG
    kept = {name: value for name, value in parts.items() if name not in secrets}
    split = urlsplit(url)
    login, at, host = split.netloc.rpartition("@")
    plain = split._replace(netloc=login.partition(":")[0] + at + host).geturl()
    # Where Python and libpq split an address differently, libpq is right.
    is_right = refused_dsn(plain) is None and parse_dsn(plain) == kept
    told = f"{_FLAG}, without the password: that belongs in ~/.pgpass or in the environment"
    return plain if is_right else str(make_dsn(**kept)), told


def _names(wanted: Mapping[str, Any], above: str = "") -> list[str]:
    names: list[str] = []
    for key, value in wanted.items():
        path = f"{above}.{key}".removeprefix(".")
        names += [path] if isinstance(value, Line) else _names(value, path)
    return names
