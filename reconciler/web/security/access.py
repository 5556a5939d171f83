"""Who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection


class Role(StrEnum):
    """What somebody may do."""

    #: Sees everything, secrets apart.
    READER = "reader"
    #: Asks for changes, too.
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str
    role: Role


def reader(connection: HTTPConnection) -> Caller:
    """Whoever may see."""
    return Caller("this machine", Role.OPERATOR)


def operator(connection: HTTPConnection) -> Caller:
    """Whoever may ask for changes."""
    return reader(connection)


#: As the type of an endpoint's argument: the endpoint answers nobody else.
Reader = Annotated[Caller, Depends(reader)]
Operator = Annotated[Caller, Depends(operator)]
