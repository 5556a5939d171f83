"""What the tests of structure checks share: a check of one file, and changes of its bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.outputs.containers.base import Source, Structure
from reconciler.outputs.sniff import HEAD_BYTES, Format, sniff

Studio = Callable[[str], Path]
Change = Callable[[bytes], bytes]


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    descriptor = os.open(path, os.O_RDONLY)
    yield Source(descriptor, os.fstat(descriptor).st_size)
    os.close(descriptor)


def check(path: Path) -> Structure:
    with opened(path) as source:
        known = sniff(source.head(HEAD_BYTES))
        assert isinstance(known, Format), known
        return known.check(source)


def words(path: Path) -> list[str]:
    return [defect.detail for defect in check(path).defects]


def after(data: bytes, name: bytes, skip: int, new: bytes) -> bytes:
    """Overwrite what stands `skip` bytes behind the first `name`."""
    at = data.index(name) + len(name) + skip
    return data[:at] + new + data[at + len(new) :]


def changed(path: Path, alter: Change) -> list[str]:
    """Change the bytes of a file in place, and give what its check says of it then."""
    path.write_bytes(alter(path.read_bytes()))
    return words(path)
