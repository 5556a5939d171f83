"""Ends a connection at once, whatever was still to be sent on it.

A reader that takes nothing can be told nothing either: its answer would wait for it for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

#: Of the ASGI scope: what ends the connection; missing where the server cannot.
ABORT = "reconciler.abort"


def abort_of(send: object) -> Callable[[], None]:
    """What ends the connection of uvicorn's own `send`."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    abort: Callable[[], None] = getattr(transport, "abort", lambda: None)
    return abort


def abort_in(scope: Mapping[str, Any]) -> Callable[[], None]:
    """What ends the connection of a request."""
    abort: Callable[[], None] = scope.get(ABORT, lambda: None)
    return abort
