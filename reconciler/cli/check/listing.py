"""Which files the arguments of `reconciler check` mean: files as they are, folders by what is in
them. Nothing is remembered but numbers, so that a folder of any size can be checked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.outputs.scan import MEDIA_SUFFIXES
from reconciler.outputs.sniff import KNOWN_EXTENSIONS
from reconciler.words.times import counted

#: Endings of the files of a folder that are checked; lower case, without the dot.
ENDINGS = KNOWN_EXTENSIONS | {suffix.removeprefix(".") for suffix in MEDIA_SUFFIXES}


@dataclass
class Listing:
    """Gives the files to check, and counts what it passes over."""

    given: Sequence[Path]
    recursive: bool
    #: Files of a folder whose names promise no media, its links, and, unless it is
    #: `recursive`, its subfolders. What is hidden is nobody's business and not counted.
    others: int = 0
    links: int = 0
    subfolders: int = 0
    #: Whether a folder was among what was given.
    folders: bool = False

    def files(self) -> Iterator[Path]:
        """Give them in order: those of a folder by name, then those of its subfolders.

        A folder that cannot be listed is given itself: its inspection says why.
        """
        self.others = self.links = self.subfolders = 0
        for path in self.given:
            if os.path.isdir(path):
                self.folders = True
                yield from self._below(path)
            else:
                yield path

    def passed_over(self) -> str:
        """What was passed over, in words; empty where nothing was."""
        notes = (
            (self.others, f"{counted(self.others, 'other file')} skipped: no media by their names"),
            (self.links, f"{counted(self.links, 'symbolic link')} not followed"),
            (
                self.subfolders,
                f"{counted(self.subfolders, 'subfolder')} not looked into: --recursive does",
            ),
        )
        return "; ".join(words for number, words in notes if number)

    def _below(self, root: Path) -> Iterator[Path]:
        folders = [root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    visible = [entry for entry in entries if not entry.name.startswith(".")]
            except FileNotFoundError:
                continue  # deleted since its parent was listed
            except OSError:
                yield folder
                continue
            visible.sort(key=lambda entry: entry.name)
            yield from (folder / entry.name for entry in visible if self._wants(entry))
            if self.recursive:
                inner = [e.name for e in visible if e.is_dir(follow_symlinks=False)]
                folders += [folder / name for name in reversed(inner)]

    def _wants(self, entry: os.DirEntry[str]) -> bool:
        if entry.is_symlink():
            self.links += 1
        elif entry.is_dir(follow_symlinks=False):
            self.subfolders += not self.recursive
        elif entry.is_file(follow_symlinks=False) and is_media(entry.name):
            return True
        else:
            self.others += 1
        return False


def is_media(name: str) -> bool:
    """True where the ending of a name promises pictures or sound."""
    return os.path.splitext(name)[1].lower().removeprefix(".") in ENDINGS
