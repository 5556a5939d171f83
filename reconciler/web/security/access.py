"""Who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection

#: Of the ASGI scope: the `Caller`, put there by the guard; missing where nobody is known.
CALLER = "reconciler.caller"


class Role(StrEnum):
    """What somebody may do."""

    #: Sees everything, secrets apart.
    READER = "reader"
    #: Asks for changes, too.
    OPERATOR = "operator"


class Way(StrEnum):
    """How somebody is known."""

    #: Connected from this machine, where that is enough.
    LOCAL = "local"
    #: A token in the header `Authorization`, which no browser sends by itself.
    BEARER = "bearer"
    #: A session's cookie, which browsers send by themselves.
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    #: The token's name.
    name: str
    role: Role
    way: Way = Way.LOCAL
    #: Of the token; None where none was needed.
    digest: bytes | None = field(default=None, repr=False)


def caller_of(connection: HTTPConnection) -> Caller | None:
    """Who asks; None where nobody is known: pages to sign in, and whether we live."""
    caller: Caller | None = connection.scope.get(CALLER)
    return caller


def reader(connection: HTTPConnection) -> Caller:
    """Whoever may see."""
    if (caller := caller_of(connection)) is None:
        raise HTTPException(401, "A token is needed.", {"WWW-Authenticate": "Bearer"})
    return caller


def operator(connection: HTTPConnection) -> Caller:
    """Whoever may ask for changes."""
    caller = reader(connection)
    if caller.role is not Role.OPERATOR:
        raise HTTPException(403, "This token may only read: changes need one of an operator.")
    return caller


#: As the type of an endpoint's argument: the endpoint answers nobody else.
Reader = Annotated[Caller, Depends(reader)]
Operator = Annotated[Caller, Depends(operator)]
