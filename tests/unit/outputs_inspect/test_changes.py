"""A file that changes while it is inspected gives no verdict."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import OutputError
from reconciler.outputs import inspect as module
from reconciler.outputs.decode import Decoded
from reconciler.outputs.inspect import inspect

from .conftest import FRAMES

Studio = Callable[[str], Path]


@pytest.fixture
def meanwhile(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Gives a copy of a sound file, to which something happens right before it is decoded."""

    def arrange(happens: Callable[[Path], None]) -> Path:
        path = tmp_path / "a.mp4"
        shutil.copy(studio("h264.mp4"), path)
        decode = getattr(module, "decode")  # noqa: B009 - the module's own, not exported

        def decode_later(*arguments: object, **named: object) -> Decoded:
            happens(path)
            kept: Decoded = decode(*arguments, **named)
            return kept

        monkeypatch.setattr(module, "decode", decode_later)
        return path

    return arrange


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite(path: Path) -> None:
    """Same size, same inode: only the time tells."""
    data = path.read_bytes()
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))


def replace(path: Path) -> None:
    """Renamed into place, with the same size and time."""
    before = path.stat()
    twin = path.with_name("twin")
    shutil.copy2(path, twin)
    os.utime(twin, ns=(before.st_atime_ns, before.st_mtime_ns))
    twin.rename(path)


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("happens", "words"),
    [(grow, "changed"), (rewrite, "changed"), (replace, "replaced"), (delete, "vanished")],
)
def test_a_change_during_inspection_is_an_error(
    meanwhile: Callable[..., Path], happens: Callable[[Path], None], words: str
) -> None:
    with pytest.raises(OutputError, match=f"{words} while it was inspected"):
        inspect(meanwhile(happens))


def test_a_look_at_the_file_is_no_change(meanwhile: Callable[..., Path]) -> None:
    assert inspect(meanwhile(lambda path: path.read_bytes() and None)).sound


def test_the_file_is_decoded_that_was_opened_even_if_its_name_is_taken(
    studio: Studio,
    meanwhile: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The child gets the descriptor, not the name, so a swap cannot slip another file in."""
    seen: list[Decoded] = []

    def swap(path: Path) -> None:
        path.unlink()
        path.symlink_to(studio("sound.wav"))

    path = meanwhile(swap)
    swap_and_decode = getattr(module, "decode")  # noqa: B009 - the module's own, not exported

    def decode_and_keep(*arguments: object, **named: object) -> Decoded:
        seen.append(swap_and_decode(*arguments, **named))
        return seen[-1]

    monkeypatch.setattr(module, "decode", decode_and_keep)
    with pytest.raises(OutputError, match="replaced"):
        inspect(path)
    assert seen[0].frames == FRAMES
