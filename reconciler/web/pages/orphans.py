"""Files that are nobody's: each with why, to be looked at and to be forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from reconciler.core.evidence import FileState
from reconciler.outputs.text import shown_path
from reconciler.store.cursors import MAX_CHARS, BadCursor
from reconciler.store.output_ids import output_id
from reconciler.web.api.asking import Name
from reconciler.web.context import Context
from reconciler.web.pages.rendering import render, with_query
from reconciler.web.problems import BadParameter
from reconciler.web.security.access import Reader, Role
from reconciler.words.orphans import Listed, explained
from reconciler.words.text import safe

router = APIRouter(include_in_schema=False)

#: Files of one page.
PAGE = 50
#: How a verdict looks: the badge of which status, and its word.
_LOOKS: Mapping[FileState, tuple[str, str]] = {
    FileState.SOUND: ("completed", "sound"),
    FileState.UNSOUND: ("failed", "unsound"),
    FileState.UNJUDGED: ("warned", "not judged"),
}

Cursor = Annotated[str, Query(max_length=MAX_CHARS)]


@dataclass(frozen=True, slots=True)
class OrphanRow:
    """One file as the page shows it."""

    #: In the paths of the REST interface.
    id: str
    path: str
    name: str
    server: str
    size_bytes: int
    #: When it was changed last.
    changed_at: float
    look: str
    verdict: str
    #: Why it is nobody's.
    why: str
    #: Ids of the jobs that claim it.
    claimed_by: tuple[str, ...]
    is_gone: bool


@router.get("/orphans")
def orphans(
    *,
    request: Request,
    context: Context,
    caller: Reader,
    server: Annotated[Name, Query()] = "",
    cursor: Cursor = "",
) -> HTMLResponse:
    """Those that were changed last come first."""
    with context.stores.one() as store:
        try:
            page = store.lists.orphans(PAGE, cursor or None, server=server or None, since=0.0)
        except BadCursor as error:
            raise BadParameter("cursor", str(error)) from error
        listed = explained(store, page.items)
        names = [record.name for record in store.servers.all()]
        now = store.jobs.now()
    return render(
        request,
        "orphans.html",
        now=now,
        orphans=[row(one) for one in listed],
        servers=names,
        server=server,
        is_first=not cursor,
        first=with_query("/orphans", server=server),
        next=page.next and with_query("/orphans", server=server, cursor=page.next),
        may_ask=caller.role is Role.OPERATOR,
    )


def row(listed: Listed) -> OrphanRow:
    """One file."""
    orphan = listed.orphan
    look, verdict = _LOOKS.get(orphan.verdict, ("queued", orphan.verdict.value))
    return OrphanRow(
        id=output_id(orphan.key),
        path=shown_path(orphan.path),
        name=shown_path(orphan.path.name),
        server=orphan.server,
        size_bytes=orphan.size_bytes,
        changed_at=orphan.facts.changed_at,
        look=look,
        verdict=verdict,
        why=safe(listed.why.words),
        claimed_by=listed.why.claimed_by,
        is_gone=listed.exists is False,
    )
