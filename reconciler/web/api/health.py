"""Whether this process lives, and whether it can do its work: for systems that start it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse

from reconciler.errors import DatabaseError
from reconciler.store.revision import found_revision
from reconciler.web.context import Context, WebContext
from reconciler.web.security.access import reader

router = APIRouter(tags=["health"])

#: A loop of passes without a sign of life for so long hangs, in seconds: as long as systemd waits.
HUNG_S = 300.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be well."""

    name: str
    ok: bool
    detail: str

    def __str__(self) -> str:
        return f"[{'+' if self.ok else '-'}] {self.name}: {self.detail}"


@router.get("/livez", response_class=PlainTextResponse)
async def livez(context: Context) -> PlainTextResponse:
    """200 while this process lives: the database may be away. 503: start it again."""
    return _answer([_passes(context)], verbose=False)


@router.get("/readyz", response_class=PlainTextResponse)
def readyz(request: Request, context: Context, verbose: str | None = None) -> PlainTextResponse:
    """200 while it can answer from the database. With `?verbose` a line for each check, for those
    who may see."""
    if verbose is not None:
        reader(request)
    return _answer(list(_checks(context)), verbose=verbose is not None)


def _checks(context: WebContext) -> Iterator[Check]:
    yield _passes(context)
    try:
        with context.stores.one() as store:
            revision = found_revision(store.connection)
            yield Check("database", True, f"answers, at revision {revision}")
    except DatabaseError as error:
        yield Check("database", False, str(error))


def _passes(context: WebContext) -> Check:
    idle_s = context.idle_s()
    if idle_s is None:
        return Check("passes", True, "none in this process")
    words = f"the last sign of life {idle_s:.0f} s ago"
    return Check("passes", idle_s < HUNG_S, words)


def _answer(checks: list[Check], *, verbose: bool) -> PlainTextResponse:
    ok = all(check.ok for check in checks)
    lines = [str(check) for check in checks] if verbose else []
    text = "\n".join([*lines, "ok" if ok else "not ok"]) + "\n"
    return PlainTextResponse(text, 200 if ok else 503, {} if ok else {"Retry-After": "5"})
