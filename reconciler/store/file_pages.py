"""Events and files page by page. Each page begins behind the last of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import psycopg2

from reconciler.core.evidence import FileState
from reconciler.errors import DatabaseError
from reconciler.store.clean import clean_text
from reconciler.store.connection import Connection
from reconciler.store.cursors import BadCursor, Place, decode, encode
from reconciler.store.output_ids import output_id
from reconciler.store.outputs import Orphan, OutputRecord, OutputStore, record_of
from reconciler.store.queries import query
from reconciler.store.records import StoryEvent
from reconciler.store.rows import story_event_of

#: The largest id that Postgres gives.
_MOST = 2**63 - 1
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items, and where the next ones begin: None after the last."""

    items: Sequence[Item]
    next: str | None


@dataclass(frozen=True, slots=True)
class NamedOutput:
    """A file with the id that URLs have of it."""

    id: str
    output: OutputRecord


class FilePages:
    """Every method raises DatabaseError, and BadCursor for a cursor of another list."""

    def __init__(self, connection: Connection, outputs: OutputStore) -> None:
        self._connection = connection
        self._outputs = outputs

    def events(self, job_id: str, limit: int, cursor: str | None) -> Page[StoryEvent]:
        """A job's story, oldest first."""
        after = 0 if cursor is None else _number(decode("events", cursor).key)
        values = {"job_id": clean_text(job_id, 200), "after": after, "limit": limit + 1}
        rows = self._read("story_page", values)
        shown = rows[:limit]
        last = Place(0, None, str(shown[-1]["id"])) if len(rows) > limit else None
        return Page([story_event_of(row) for row in shown], _cursor("events", last))

    def of_job(self, job_id: str, limit: int, cursor: str | None) -> Page[NamedOutput]:
        """The files of a job, by their paths."""
        place = None if cursor is None else decode("files", cursor)
        key = None if place is None else psycopg2.Binary(_bytes(place.key))
        values = {"job_id": clean_text(job_id, 200), "key": key, "limit": limit + 1}
        return _page("files", self._read("outputs_page_of_job", values), limit)

    def outputs(
        self, limit: int, cursor: str | None, *, server: str | None, verdict: FileState | None
    ) -> Page[NamedOutput]:
        """All files of servers that are known, those that were inspected last first."""
        place = None if cursor is None else decode("outputs", cursor)
        values = {
            "server": server,
            "verdict": verdict,
            "value": None if place is None else place.value or "",
            "key": None if place is None else psycopg2.Binary(_bytes(place.key)),
            "limit": limit + 1,
        }
        try:
            return _page("outputs", self._read("outputs_page", values), limit)
        except DatabaseError as error:
            if isinstance(error.__cause__, psycopg2.DataError):
                raise BadCursor from error
            raise

    def orphans(
        self, limit: int, cursor: str | None, *, server: str | None, since: float
    ) -> Page[Orphan]:
        """Files that are nobody's, those that were changed last first."""
        place = None if cursor is None else decode("orphans", cursor)
        behind = None if place is None else (_number(place.value), _bytes(place.key))
        found, total = self._outputs.orphans(limit, server=server, since=since, behind=behind)
        last = None
        if total > len(found):
            last = Place(0, str(found[-1].mtime_ns), found[-1].key.hex())
        return Page(found, _cursor("orphans", last))

    def _read(self, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        with self._connection.transaction() as cursor:
            cursor.execute(query(name), values)
            return cursor.fetchall()


def _page(order: str, rows: list[dict[str, Any]], limit: int) -> Page[NamedOutput]:
    keys = [bytes(row["path"]) for row in rows]
    last = None
    if len(rows) > limit:
        last = Place(0, rows[limit - 1]["value"], keys[limit - 1].hex())
    shown = zip(keys[:limit], rows[:limit], strict=True)
    named = [NamedOutput(output_id(key), record_of(row)) for key, row in shown]
    return Page(named, _cursor(order, last))


def _cursor(order: str, last: Place | None) -> str | None:
    return None if last is None else encode(order, last)


def _number(text: str | None) -> int:
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadCursor
    return min(int(text), _MOST)


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise BadCursor from error
