"""The node pack's manifests in one output directory: found, read once, remembered."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from comfy_node.contract import MANIFEST_DIR, MANIFEST_KEEP_COUNT, MAX_MANIFEST_BYTES, manifest_name
from reconciler.comfyui.fields import Misshapen
from reconciler.comfyui.manifest import Manifest, parse_manifest
from reconciler.comfyui.values import EndedPrompt
from reconciler.errors import OutputError
from reconciler.outputs.paths import open_unchanged
from reconciler.outputs.storage import Storage
from reconciler.outputs.text import printable
from reconciler.store.clean import clean_text

log = structlog.get_logger(__name__)

#: Manifests kept as they were read; older ones are read again when needed.
MAX_KEPT = 500
#: What one search reads at most; the next one goes on where it stopped.
SEARCH_FILES = 1000
SEARCH_BYTES = 32 * 2**20
#: How long a search asks storage for the times of files, in seconds: twenty thousand that take a
#: millisecond each must not seem to hang.
SEARCH_S = 2.0
#: Names that were heard of and not yet read; more are found by a search.
MAX_HEARD = 1000
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class _Facts:
    """A file as the folder shows it; a manifest is replaced as a whole, so all of it changes."""

    inode: int
    mtime_ns: int
    size_bytes: int

    @classmethod
    def of(cls, status: os.stat_result) -> _Facts:
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)


class Manifests:
    """Reads `<output>/.reconciler`. Claims, bounded and never trusted: one that cannot be read or
    says it badly is told once for each kind of trouble, and is none.

    Ask only while the storage answers. One thread asks; `hear` may be called from any.
    """

    def __init__(self, server: str, root: Path, storage: Storage | None = None) -> None:
        self._server = server
        self._storage = storage or Storage(root)
        self._folder = root / MANIFEST_DIR
        self._kept: OrderedDict[str, tuple[_Facts, Manifest | None]] = OrderedDict()
        #: What a search found before, by name: read, or too old to be wanted.
        self._noted: dict[str, _Facts] = {}
        #: Ends without their files, by the job id that they carry and the prompt's.
        self._by_job: dict[str, dict[str, EndedPrompt]] = {}
        self._job_of: dict[str, str] = {}
        self._heard: dict[str, None] = {}
        self._lock = threading.Lock()
        self._said: set[str] = set()
        #: The folder was searched at least once.
        self.searched = False

    def of(self, prompt_id: str) -> Manifest | None:
        """The manifest of a prompt as it is now: one question to the storage, and a reading where
        it changed."""
        name = manifest_name(prompt_id)
        manifest = self._read(name)
        if manifest is not None and manifest.ended.prompt.prompt_id != prompt_id:
            self._say("another prompt's", name, "it is of another prompt than its name says")
            return None
        return manifest

    def hear(self, name: str) -> None:
        """An event named this file of the folder."""
        with self._lock:
            if len(self._heard) < MAX_HEARD:
                self._heard[name] = None

    def carrying(self, job_ids: Collection[str]) -> Iterator[EndedPrompt]:
        """The ends that carry one of these job ids, as far as they were heard of or searched for.
        Their endings lack the files: ask for the prompt's own manifest."""
        self._note_heard()
        if self._by_job:
            for job_id in job_ids:
                yield from self._by_job.get(job_id, {}).values()

    def search(self, since: float) -> None:
        """Takes note of manifests written since then, the newest first.

        `since` is by the clock of the file system: leave a margin. What was found before costs
        nothing but its name in the listing.
        """
        self.searched = True
        found: list[tuple[int, str, _Facts]] = []
        try:
            new = self._storage.ask(lambda: _new_in(self._folder, self._noted))
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, OutputError) as error:
            self._say("not listed", "", f"the folder cannot be listed: {error}")
            return
        for name, facts, is_file in new:
            if facts.mtime_ns / 1e9 < since:
                self._remember(name, facts)
            elif is_file:
                found.append((facts.mtime_ns, name, facts))
        left_bytes = SEARCH_BYTES
        for _, name, facts in sorted(found, reverse=True)[:SEARCH_FILES]:
            left_bytes -= facts.size_bytes
            if left_bytes < 0:
                break
            self._note(name, facts)

    def _note_heard(self) -> None:
        with self._lock:
            heard, self._heard = list(self._heard), {}
        for name in heard:
            if _is_manifest(name):
                self._note(name, None)

    def _note(self, name: str, facts: _Facts | None) -> None:
        manifest = self._read(name)
        if facts is not None:
            self._remember(name, facts)
        if manifest is not None and manifest_name(manifest.ended.prompt.prompt_id) == name:
            self._index(manifest.ended)

    def _index(self, ended: EndedPrompt) -> None:
        prompt_id, job_id = ended.prompt.prompt_id, ended.prompt.job_id
        self._forget(prompt_id)  # its id may have been used again, for another job
        if job_id is not None:
            short = replace(ended, ending=replace(ended.ending, files=(), node_runs=()))
            self._by_job.setdefault(job_id, {})[prompt_id] = short
            self._job_of[prompt_id] = job_id
        while len(self._job_of) > 2 * MANIFEST_KEEP_COUNT:  # the pack has long pruned the oldest
            self._forget(next(iter(self._job_of)))

    def _forget(self, prompt_id: str) -> None:
        job_id = self._job_of.pop(prompt_id, None)
        if job_id is not None:
            del self._by_job[job_id][prompt_id]
            if not self._by_job[job_id]:
                del self._by_job[job_id]

    def _remember(self, name: str, facts: _Facts) -> None:
        if len(self._noted) > 2 * MANIFEST_KEEP_COUNT:  # pruned ones: the next search starts anew
            self._noted.clear()
            self._by_job.clear()
            self._job_of.clear()
        self._noted[name] = facts

    def _read(self, name: str) -> Manifest | None:
        path = self._folder / name
        try:
            facts = _Facts.of(self._storage.ask(lambda: os.stat(path, follow_symlinks=False)))
        except (FileNotFoundError, NotADirectoryError):
            self._kept.pop(name, None)
            return None
        except (OSError, OutputError) as error:
            self._say("not found", name, f"it cannot be looked at: {error}")
            return None
        kept = self._kept.get(name)
        if kept is not None and kept[0] == facts:
            return kept[1]
        try:
            manifest = self._parse(path)
        except (OutputError, OSError) as error:  # of the storage, and so for the time being
            self._say(type(error).__name__, name, str(error))
            return None
        self._kept[name] = (facts, manifest)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return manifest

    def _parse(self, path: Path) -> Manifest | None:
        try:
            return parse_manifest(self._storage.ask(lambda: _bytes_of(path)))
        except Misshapen as error:
            self._say(str(error), path.name, str(error))
            return None

    def _say(self, kind: str, name: str, reason: str) -> None:
        """One line for each kind of trouble: whoever may write there may make thousands."""
        if kind not in self._said:
            self._said.add(kind)
            log.warning(
                "manifest ignored, and others like it without a word",
                server=self._server,
                manifest=printable(name),
                reason=clean_text(reason, 500),
            )


def _new_in(folder: Path, noted: Mapping[str, _Facts]) -> list[tuple[str, _Facts, bool]]:
    """Files that were not noted yet, and whether they are ordinary ones. Of one that was, name and
    inode come with the listing: no question to the storage."""
    found = []
    until_s = time.monotonic() + SEARCH_S
    with os.scandir(folder) as entries:
        for entry in entries:
            known = noted.get(entry.name)
            if _is_manifest(entry.name) and (known is None or known.inode != entry.inode()):
                with suppress(OSError):
                    facts = _Facts.of(entry.stat(follow_symlinks=False))
                    found.append((entry.name, facts, entry.is_file(follow_symlinks=False)))
                if time.monotonic() > until_s:
                    break
    return found


def _is_manifest(name: str) -> bool:
    return name.endswith(_SUFFIX) and not name.startswith(".")


def _bytes_of(path: Path) -> bytes:
    """The whole file, if it is an ordinary one and no larger than a manifest may be."""
    if path.parent.is_symlink():
        raise OutputError("its folder is a symbolic link: it may lead anywhere")
    with open_unchanged(path) as (descriptor, state):
        if state.st_size > MAX_MANIFEST_BYTES:
            raise Misshapen(f"it is larger than the {MAX_MANIFEST_BYTES} bytes of a manifest")
        parts: list[bytes] = []
        while part := os.read(descriptor, MAX_MANIFEST_BYTES):
            parts.append(part)
            if sum(map(len, parts)) > MAX_MANIFEST_BYTES:
                raise Misshapen(f"it is larger than the {MAX_MANIFEST_BYTES} bytes of a manifest")
    return b"".join(parts)
