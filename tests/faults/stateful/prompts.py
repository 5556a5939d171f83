"""What is the case about prompts and their files: the truth that the rows are to tell."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image, PngImagePlugin

from reconciler.core.evidence import Ending, EndKind

Place = Literal["nowhere", "pending", "running", "history"]


@dataclass(eq=False)
class File:
    """A file that prompts wrote, whether or not it is on disk now."""

    path: Path
    sound: bool
    written_at: float
    #: All that ever wrote it, the last one last.
    writers: list[Prompt]


@dataclass(eq=False)
class Prompt:
    """One prompt of a simulated server. Times are by the database's clock."""

    id: str
    server: str
    #: The job id that it carries.
    tag: str | None
    created_at: float
    place: Place = "nowhere"
    started_at: float | None = None
    last_sign_at: float | None = None
    #: Seconds of its run within gaps between two looks.
    unwatched_s: float = 0.0
    ending: Ending | None = None
    ended_at: float | None = None
    files: list[File] = field(default_factory=list)
    #: Its files are an earlier prompt's.
    cached: bool = False
    #: Since when the server has known nothing of it, and how many looks it had answered by then.
    gone_at: float | None = None
    gone_looks: int = 0
    #: There was a time at which a row named it and its server knew nothing of it.
    was_away: bool = False
    #: Somebody deleted it from the queue.
    removed: bool = False
    #: Somebody asked for its job to be cancelled.
    cancel_asked: bool = False
    #: A server showed it, in its queue or in its history, to some reconciler.
    shown: bool = False
    #: When its end was told first, and that it must have been stored since.
    told_at: float | None = None
    known: bool = False

    @property
    def succeeded(self) -> bool:
        return self.ending is not None and self.ending.kind is EndKind.SUCCESS

    @property
    def out_of_memory(self) -> bool:
        return self.ending is not None and self.ending.out_of_memory

    @property
    def lives(self) -> bool:
        return self.place in ("pending", "running")

    @property
    def is_whole(self) -> bool:
        """All that it was to save is on disk, and sound."""
        return bool(self.files) and all(f.sound and f.path.exists() for f in self.files)

    @property
    def is_disputed(self) -> bool:
        """Others wrote one of its files, too."""
        return not self.cached and any(len(set(map(id, f.writers))) > 1 for f in self.files)


def save_image(path: Path, at: float, tags: dict[str, str], *, sound: bool = True) -> None:
    """A small picture with these tags inside, as it lies on disk at that time."""
    info = PngImagePlugin.PngInfo()
    for name, value in tags.items():
        info.add_text(name, f'"{value}"')
    path.unlink(missing_ok=True)
    Image.new("RGB", (16, 16), "red").save(path, pnginfo=info)
    if not sound:
        os.truncate(path, path.stat().st_size * 3 // 5)
    os.utime(path, (at, at))
