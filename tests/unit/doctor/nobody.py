"""Acting as a user without rights, since root may do everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

#: The id that is nobody's on every Unix.
NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Inside, root is nobody; any other user stays himself."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
