"""Faults of our own: told once, and never anybody else's trouble."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

log = logging.getLogger("reconciler.comfy_node")

_T = TypeVar("_T")

#: Kinds of our own faults that were logged: a broken hook must not flood ComfyUI's log.
_told: set[tuple[str, str]] = set()


def step_aside(consequence: str, error: Exception) -> None:
    """Logs this kind of fault, if it is the first of its kind in this process."""
    kind = (consequence, type(error).__name__)
    if kind not in _told:
        _told.add(kind)
        log.warning("reconciler: %s; please report this", consequence, exc_info=error)


def step_aside_quietly(consequence: str, error: OSError) -> None:
    """As `step_aside`, for what the machine's owner can mend: no traceback, nothing to report."""
    kind = (consequence, type(error).__name__)
    if kind not in _told:
        _told.add(kind)
        log.warning("reconciler: %s (%s)", consequence, error)


def guarded(consequence: str, call: Callable[..., _T], *args: Any) -> _T | None:
    """What `call` returns, or None where it fails."""
    try:
        return call(*args)
    except Exception as error:
        step_aside(consequence, error)
        return None


def replace_method(
    owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Callable[[], None]:
    """Puts `make(original)` on `owner` under `name`; what is returned takes it off again.

    The original is looked up at each call where it belongs to the class, so that a pack which
    replaces it there later is still heard. Raises AttributeError where there is no such method, or
    where `owner` takes no attributes.
    """
    found = getattr(owner, name)
    own = name in vars(owner)

    @functools.wraps(found)
    def original(*args: Any, **kwargs: Any) -> Any:
        method = found if own else _of_the_class(owner, name, found)
        return method(*args, **kwargs)

    wrapper = functools.wraps(found)(make(original))
    setattr(owner, name, wrapper)

    def undo() -> None:
        # Whoever wrapped it after us holds our wrapper, so it has to stay.
        if vars(owner).get(name) is wrapper:
            if own:
                setattr(owner, name, found)
            else:
                delattr(owner, name)

    return undo


def _of_the_class(owner: Any, name: str, found: Any) -> Any:
    for base in type(owner).__mro__:
        if name in vars(base):
            attribute = vars(base)[name]
            bind = getattr(attribute, "__get__", None)
            return attribute if bind is None else bind(owner, type(owner))
    return found
