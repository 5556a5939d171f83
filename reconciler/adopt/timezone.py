"""Which time zone naive times are in: their database cannot say."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from reconciler.adopt.facts import Column, Database, Family, Table
from reconciler.adopt.proposal import Choice, Confidence, Given

SETTING = ("jobs", "timezone")
#: Clocks of two machines differ by so much, and rows come in so late.
SKEW_S, RECENT_S = 120.0, 900.0
_HOUR_S = 3600.0
_MAX_OFFSET_S = 14 * _HOUR_S
#: A default that names its zone; an abbreviation (JST) is no name of a zone.
_ZONED = re.compile(r"(?:at time zone |timezone\()'(utc|[a-z_]+/[a-z0-9_/+-]+)'", re.IGNORECASE)
_NOW = re.compile(
    r"now\(\)|current_timestamp|localtimestamp|transaction_timestamp|clock_timestamp", re.I
)
_UTC_NAMES = ("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal")


def recognise_timezone(
    database: Database, table: Table, naive: Sequence[Column], given: Given
) -> Choice:
    """The zone of the columns `naive`, the first of which says when a row was made."""
    if given.timezone is not None:
        return Choice(SETTING, given.timezone, Confidence.GIVEN, "the settings say so")
    zone, confidence, reason = _zone(database, table, naive)
    if confidence is Confidence.ASSUMED and "timezone" in given.repeated:
        return Choice(SETTING, "UTC", Confidence.GIVEN, "the settings say so")
    names = ", ".join(column.name for column in naive)
    return Choice(SETTING, zone, confidence, f"of {names}: {reason}")


def _zone(database: Database, table: Table, naive: Sequence[Column]) -> tuple[str, Confidence, str]:
    defaults = [column.default or "" for column in naive]
    if said := [found[1] for default in defaults if (found := _ZONED.search(default))]:
        zone = "UTC" if said[0].upper() == "UTC" else said[0]
        return zone, Confidence.CERTAIN, "a default says so"
    made_here = any(_NOW.search(default) for default in defaults)
    zone = "UTC" if database.timezone in _UTC_NAMES else database.timezone
    if (offset_s := table.sample.utc_offset_s) is not None:
        return _beside(database, zone, offset_s)
    ahead_s = _ahead_s(database, table, naive)
    if ahead_s is not None and ahead_s > SKEW_S:
        return _ahead(database, zone, ahead_s, made_here=made_here)
    recent = ahead_s is not None and abs(ahead_s) <= RECENT_S
    if made_here:
        return _session(zone, recent=recent)
    if recent:
        return "UTC", Confidence.LIKELY, "the newest row is of now, if it is UTC"
    return "UTC", Confidence.ASSUMED, "the application sets them, and nothing shows in which zone"


def _session(zone: str, *, recent: bool) -> tuple[str, Confidence, str]:
    """Made by now() in a session, which an application may have given another zone than ours."""
    reason = f"a default of now() takes the session's zone, which is {zone} here"
    if not recent:
        return zone, Confidence.LIKELY, reason
    if zone == "UTC":
        return zone, Confidence.CERTAIN, f"{reason}, and the newest row fits"
    return zone, Confidence.ASSUMED, f"{reason}; it is UTC if the newest row was made just now"


def _beside(database: Database, zone: str, offset_s: float) -> tuple[str, Confidence, str]:
    """Other times in the same rows, which know their zone, were taken at the same moment."""
    hours = offset_s / _HOUR_S
    told = f"times beside them that know their zone show {hours:+g} h from UTC"
    if offset_s == 0:
        return "UTC", Confidence.CERTAIN, told
    if offset_s == database.utc_offset_s:
        return zone, Confidence.CERTAIN, f"{told}, as {zone} is, the session's zone here"
    if hours != int(hours):
        return "UTC", Confidence.ASSUMED, f"{told}: name the zone that is meant"
    # These names count the other way.
    name = f"Etc/GMT{-int(hours):+d}"
    return name, Confidence.LIKELY, f"{told}; name the place instead if its summer has another"


def _ahead_s(database: Database, table: Table, naive: Sequence[Column]) -> float | None:
    """How far the newest time lies ahead of now, read as UTC."""
    newest = [most for c in naive if (most := table.sample.of(c.name).most) is not None]
    return max(newest) - database.now if newest else None


def _ahead(
    database: Database, zone: str, ahead_s: float, *, made_here: bool
) -> tuple[str, Confidence, str]:
    """No row is made in the future: the zone is ahead of UTC by at least so much."""
    told = f"read as UTC the newest row is {ahead_s / _HOUR_S:.1f} h in the future"
    if ahead_s <= database.utc_offset_s + SKEW_S:
        confidence = Confidence.CERTAIN if made_here else Confidence.LIKELY
        return zone, confidence, f"{told}, and {zone} is the session's zone here"
    hours = math.ceil((ahead_s - SKEW_S) / _HOUR_S)
    if ahead_s > _MAX_OFFSET_S + SKEW_S:
        return "UTC", Confidence.ASSUMED, f"{told}, which no zone explains: is its clock right?"
    return (
        f"Etc/GMT-{hours}",
        Confidence.ASSUMED,
        f"{told}; a zone that is {hours} h ahead fits, by whatever name",
    )


def naive_columns(columns: Sequence[Column | None]) -> list[Column]:
    """Those of them that do not say their zone."""
    return [c for c in columns if c is not None and c.family is Family.NAIVE]
