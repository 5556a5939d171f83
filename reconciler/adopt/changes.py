"""What of a proposal differs from the settings as they are: the lines that have to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from reconciler.adopt.facts import Table
from reconciler.adopt.proposal import Choice, Confidence, Proposal
from reconciler.adopt.roles import ROLES
from reconciler.settings import Settings
from reconciler.settings.jobs import InsideColumn
from reconciler.settings.postgres import table_parts

_USUAL = {role.setting: role.default for role in ROLES}


@dataclass(frozen=True, slots=True)
class Line:
    """One setting to write, and why."""

    value: Any
    reason: str


#: Nested as the settings are.
Wanted = Mapping[str, "Wanted | Line"]


def changes(proposal: Proposal, settings: Settings) -> dict[str, Any]:
    """The settings that the proposal changes, nested, each a `Line`."""
    wanted: dict[str, Any] = {}
    table = proposal.table
    named = table_parts(settings.database.jobs_table)
    if named != (table.schema, table.name) and not (table.visible and named == (table.name,)):
        why = f"{table.kind}, {len(table.columns)} columns"
        _put(wanted, ("database", "jobs_table"), Line(table.setting, why))
    for choice in proposal.choices:
        if choice.confidence is not Confidence.GIVEN and _differs(choice, table, settings):
            _put(wanted, choice.setting, Line(choice.value, _reason(choice)))
    return in_order(wanted, Settings)


def in_order(wanted: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The same in the order in which the reference documents the settings."""
    ordered = {}
    for key, field in model.model_fields.items():
        value = wanted.get(key)
        inner = field.annotation
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            value = in_order(value, inner)
        if value is not None:
            ordered[key] = value
    return ordered


def _differs(choice: Choice, table: Table, settings: Settings) -> bool:
    now: Any = settings
    for key in choice.setting:
        now = getattr(now, key)
    if isinstance(now, InsideColumn):
        now = now.model_dump(mode="json")
    if choice.setting[:2] == ("jobs", "statuses"):
        return bool(list(now) != choice.value)
    if now is None and choice.setting[:2] == ("jobs", "columns"):
        usual = _USUAL.get(choice.name, choice.name)
        # Without a word about it the service would add this column itself.
        added = choice.name == "updated_at" and choice.value is False
        now = None if added else usual if table.column(usual) is not None else False
    return bool(now != choice.value) or type(now) is not type(choice.value)


def plain(wanted: Any) -> Any:
    """The same without the reasons: as the file has it."""
    if isinstance(wanted, Line):
        return wanted.value
    if isinstance(wanted, Mapping):
        return {key: plain(value) for key, value in wanted.items()}
    return wanted


def _reason(choice: Choice) -> str:
    assumed = "assumed: " if choice.confidence is Confidence.ASSUMED else ""
    lost = f"; lost is {choice.lost}" if choice.lost else ""
    return f"{assumed}{choice.reason}{lost}"


def _put(wanted: dict[str, Any], setting: tuple[str, ...], line: Line) -> None:
    *sections, key = setting
    for section in sections:
        wanted = wanted.setdefault(section, {})
    wanted[key] = line
