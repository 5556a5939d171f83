"""The facts of a database, out of its catalog."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.adopt.facts import Column, Constraint, Database, Family, Kind, Table, Trigger
from reconciler.adopt.looking import Looking
from reconciler.store.queries import query

#: Columns that may be a status. What is named by --table needs none.
STATUS_LIKE = "status|state|phase"
#: Tables that are looked at, at most.
MAX_TABLES = 200

_KINDS = {
    "r": Kind.TABLE,
    "p": Kind.PARTITIONED,
    "v": Kind.VIEW,
    "m": Kind.MATERIALIZED,
    "f": Kind.FOREIGN,
}
_FAMILIES = {
    **dict.fromkeys(("smallint", "integer", "bigint"), Family.WHOLE),
    **dict.fromkeys(("real", "double precision", "numeric"), Family.NUMBER),
    **dict.fromkeys(("json", "jsonb"), Family.JSON),
    "boolean": Family.BOOLEAN,
    "uuid": Family.UUID,
    "timestamp with time zone": Family.INSTANT,
    "timestamp without time zone": Family.NAIVE,
}
_SHORT = {
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "character varying": "varchar",
}
_MODIFIER = re.compile(r"\((\d+)(?:,(-?\d+))?\)")

Rows = list[dict[str, Any]]


def read_database(look: Looking) -> Database:
    """The database and our rights in it. Raises DatabaseError."""
    facts = look.rows(query("adopt_database"))[0]
    schemas = {row["schema"]: frozenset(row["names"]) for row in look.rows(query("adopt_schemas"))}
    return Database(
        name=facts["name"],
        role=facts["role"],
        version=facts["version"],
        timezone=facts["timezone"],
        utc_offset_s=facts["utc_offset_s"],
        now=facts["now"],
        search_path=tuple(facts["search_path"]),
        may_create_schema=facts["may_create_schema"],
        standby=facts["standby"],
        schemas=schemas,
    )


def read_tables(
    look: Looking, *, own_schema: str, name: tuple[str, ...] | None = None
) -> list[Table]:
    """Tables that may hold jobs, in the order of the search path; or the one of that name.

    Raises DatabaseError.
    """
    found = look.rows(
        query("adopt_relations"),
        {
            "own_schema": own_schema,
            "status": STATUS_LIKE,
            "limit": MAX_TABLES,
            "name": name[-1] if name else None,
            "schema": name[0] if name and len(name) > 1 else None,
        },
    )
    oids = {"oids": [row["oid"] for row in found]}
    columns = _by_table(look.rows(query("adopt_columns"), oids))
    keys = _by_table(look.rows(query("adopt_keys"), oids))
    triggers = _by_table(look.rows(query("adopt_triggers"), oids))
    constraints = _by_table(look.rows(query("adopt_constraints"), oids))
    sources = _by_table(look.rows(query("adopt_sources"), oids))
    return [
        _table(
            row,
            columns=columns[row["oid"]],
            keys=keys[row["oid"]],
            triggers=triggers[row["oid"]],
            constraints=constraints[row["oid"]],
            sources=sources[row["oid"]],
        )
        for row in found
    ]


def read_names(look: Looking) -> list[str]:
    """Names of tables as the setting has them, for whoever mistyped one."""
    rows = look.rows(query("adopt_names"))
    return [n for row in rows for n in (row["name"], f"{row['schema']}.{row['name']}")]


def _by_table(rows: Iterable[dict[str, Any]]) -> defaultdict[int, Rows]:
    grouped: defaultdict[int, Rows] = defaultdict(list)
    for row in rows:
        grouped[row["oid"]].append(row)
    return grouped


def _table(
    row: Mapping[str, Any],
    *,
    columns: Rows,
    keys: Rows,
    triggers: Rows,
    constraints: Rows,
    sources: Rows,
) -> Table:
    return Table(
        schema=row["schema"],
        name=row["name"],
        kind=_KINDS[row["kind"]],
        columns=tuple(_column(column) for column in columns),
        keys=tuple(tuple(key["columns"]) for key in keys),
        has_primary_key=any(key["is_primary"] for key in keys),
        triggers=tuple(Trigger(each["name"], each["function"]) for each in triggers),
        rows=row["rows"],
        visible=row["visible"],
        owned=row["owned"],
        may_use_schema=row["may_use_schema"],
        row_security=row["row_security"],
        updatable=row["updatable"],
        updatable_by_trigger=row["updatable_by_trigger"],
        constraints=tuple(
            Constraint(each["name"], tuple(each["columns"]), each["definition"])
            for each in constraints
        ),
        sources=tuple(each["source"] for each in sources),
    )


def _column(row: Mapping[str, Any]) -> Column:
    family, base = family_of(row["base_type"], row["category"]), row["base_type"]
    modifier = _MODIFIER.search(base)
    digits = (int(modifier[1]), int(modifier[2] or 0)) if modifier else None
    return Column(
        name=row["name"],
        type=_short(row["type"]),
        family=family,
        not_null=row["not_null"],
        default=row["default"],
        max_length=digits[0] if digits and family is Family.TEXT else None,
        precision=(digits[0] - digits[1], digits[1]) if digits and base[:7] == "numeric" else None,
        labels=tuple(row["labels"]),
        checks=tuple(row["checks"]),
        references=row["references"],
        may_read=row["may_read"],
        may_write=row["may_write"],
        updatable=row["updatable"],
    )


def _short(type_name: str) -> str:
    for long, short in _SHORT.items():
        type_name = type_name.replace(long, short)
    return type_name


def family_of(base_type: str, category: str) -> Family:
    """What a type can hold: by its name, else by the category that Postgres gives it."""
    plain = _MODIFIER.sub("", base_type)
    of_category = {"S": Family.TEXT, "E": Family.ENUM}
    return _FAMILIES.get(plain) or of_category.get(category, Family.OTHER)
