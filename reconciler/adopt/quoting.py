"""Names as SQL spells them, for statements that people run."""

from __future__ import annotations

#: Words that are no names without quotes.
_RESERVED = """
all analyse analyze and any array as asc asymmetric authorization between both case cast check
collate collation column concurrently constraint create cross current_role current_user default
deferrable desc distinct do else end except false fetch for foreign freeze from full grant group
having ilike in initially inner intersect into is isnull join lateral leading left like limit
localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing
primary references returning right select session_user similar some symmetric table tablesample then
to trailing true union unique user using variadic verbose when where window with
"""


def quoted(name: str) -> str:
    """A name as SQL needs it: in quotes where it is not plain."""
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    if plain and name not in _RESERVED.split():
        return name
    return '"' + name.replace('"', '""') + '"'
