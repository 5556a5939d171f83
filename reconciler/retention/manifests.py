"""The node pack's manifests in an output directory, as long as nothing is to be learned of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from comfy_node.contract import MANIFEST_DIR, manifest_name
from reconciler.retention.directory import Directory
from reconciler.retention.task import BATCH, NOTHING, Keep, Pruned
from reconciler.store.retention import RetentionStore

_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class _File:
    mtime: float
    name: str

    @property
    def prompt_id(self) -> str:
        return self.name.removesuffix(_SUFFIX)


@dataclass
class Manifests:
    """Removes manifests of prompts whose job is final, if its row says what we know.

    What it knows no job of stays: it may be another database's. So does one whose name is a digest
    of its prompt's id; the pack itself prunes both.
    """

    store: RetentionStore
    keep: Keep
    directory: Directory
    name: str = field(default="manifests", init=False)
    #: Those of this round that are still to be looked at, the oldest last.
    _left: list[_File] | None = field(default=None, init=False)

    @property
    def lease(self) -> str:
        """Its own server's agent sees its directory."""
        return self.directory.server

    @property
    def _folder(self) -> Path:
        return self.directory.root / MANIFEST_DIR

    def run_once(self) -> Pruned:
        """Looks at the next manifests; the first time in a round the folder is listed."""
        if (self.keep.days is None and self.keep.count is None) or not self.directory.is_there():
            self._left = None
            return NOTHING
        settled = self.store.before(self.keep.settled_s / 86_400)
        if self._left is None:
            self._left = self._candidates(settled)
        files, self._left = self._left[-BATCH:], self._left[:-BATCH]
        removed = sum(map(self._remove, self._unneeded(files, settled)))
        more = bool(self._left)
        if not more:
            self._left = None
        return Pruned(removed, more)

    def _candidates(self, settled: datetime) -> list[_File]:
        """Those beyond the number or the age, the newest first."""
        files = sorted(_listed(self._folder), key=lambda file: file.mtime, reverse=True)
        old_at = float("-inf")
        if self.keep.days is not None:
            old_at = self.store.before(self.keep.days).timestamp()
        count = len(files) if self.keep.count is None else self.keep.count
        settled_at = settled.timestamp()
        return [
            file
            for number, file in enumerate(files)
            if file.mtime < settled_at and (file.mtime < old_at or number >= count)
        ]

    def _unneeded(self, files: list[_File], settled: datetime) -> Iterator[_File]:
        by_prompt = {f.prompt_id: f for f in files if manifest_name(f.prompt_id) == f.name}
        ended = self.store.ended_prompts(by_prompt, settled)
        rows = self.store.statuses({prompt.job_id for prompt in ended})
        for prompt in ended:
            if rows.get(prompt.job_id, prompt.status) == prompt.status:
                yield by_prompt[prompt.prompt_id]

    def _remove(self, file: _File) -> bool:
        """False where it was replaced meanwhile: then it is of a later run."""
        path = self._folder / file.name
        try:
            if os.lstat(path).st_mtime != file.mtime:
                return False
            path.unlink()
        except OSError:
            return False
        return True


def _listed(folder: Path) -> Iterator[_File]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                hidden = entry.name.startswith(".")
                if (
                    entry.name.endswith(_SUFFIX)
                    and not hidden
                    and entry.is_file(follow_symlinks=False)
                ):
                    yield _File(entry.stat(follow_symlinks=False).st_mtime, entry.name)
    except OSError:
        return  # it is not there, or storage that fails now: another time
