"""What the pack does at each event of one ComfyUI process."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import manifest
from .background import Background
from .broadcast import Broadcaster
from .contract import MANIFEST_KEEP_COUNT, NOTE_FIRST_PROMPT_ID
from .digests import Digester
from .guard import guarded, log, step_aside_quietly
from .ledger import Ledger, Running
from .manifest import Item
from .manifest_files import ManifestFolder, Written
from .removals import Removals
from .tags import prompt_tag_of, tag_item
from .works import Works

#: Prompts that wait for their digests; beyond it a manifest stays without, and is valid.
_MAX_DIGESTS = 256
#: Manifests are pruned at the first prompt, and once for so many.
_PRUNE_EVERY = 500


@dataclass(frozen=True)
class Ending:
    """A prompt whose `task_done` is under way."""

    item: Item
    running: Running | None
    at: float


class Pack:
    """All that belongs to one PromptServer: notes, files and threads. `close` ends it."""

    def __init__(
        self,
        server: Any,
        output_directory: Callable[[], str],
        send: Callable[[str, dict[str, Any], None], Any],
    ) -> None:
        self.server = server
        #: The queue that is watched; another pack may put another in its place.
        self.queue: Any = getattr(server, "prompt_queue", None)
        self.boot_id = str(uuid.uuid4())
        #: Names of the hooks that are in place.
        self.hooks: set[str] = set()
        self.closed = False
        self.ledger = Ledger()
        self.works = Works()
        self.folder = ManifestFolder(output_directory)
        self.broadcaster = Broadcaster(lambda name, data: send(name, data, None), self.ledger)
        # More removals than that would be pruned at once.
        self._files = Background("reconciler-files", limit=MANIFEST_KEEP_COUNT)
        self._digests = Background("reconciler-digests", limit=_MAX_DIGESTS)
        self._digester = Digester(self.folder, self._digests.closing, self._digests.is_empty)
        self.removals = Removals(self.queue, self.removed)
        self._undo: list[Callable[[], None]] = []
        self._ends = 0

    def on_close(self, undo: Callable[[], None]) -> None:
        """Has `close` call `undo`."""
        self._undo.append(undo)

    def close(self) -> None:
        """Takes the hooks off and stops the threads. What they had not yet done stays undone,
        as it would in a crash; `wait_idle` before it prevents that."""
        self.closed = True
        for undo in reversed(self._undo):
            guarded("a hook could not be taken off", undo)
        self._undo.clear()
        for part in (self._files, self._digests, self.broadcaster):
            part.close()

    def wait_idle(self, timeout_s: float) -> bool:
        """Whether all files were written and all events sent within `timeout_s` seconds each."""
        parts = (self._files, self._digests, self.broadcaster)
        return all(part.wait_idle(timeout_s) for part in parts)

    def submitted(self, item: Any) -> Any:
        """A prompt on its way into the queue: the item that is to be put there."""
        was_known = self.ledger.submitted_at
        before = prompt_tag_of(Item.of(item).extra_data)
        item = tag_item(item, lambda prompt_id: was_known(prompt_id) is not None)
        self.ledger.submit(item[1], after=before if before != item[1] else None)
        guarded("a prompt's workflow is not noted", self.works.note, item[1], Item.of(item).graph)
        return item

    def started(self, taken: Any) -> None:
        """The worker took `(item, item id)` off the queue, or nothing."""
        if taken is None:
            return
        item = Item.of(taken[0])
        running = self.ledger.start(item.prompt_id, item.job_id, item.graph)
        self.broadcaster.start(running)

    def heard(self, event: Any, data: Any) -> None:
        """ComfyUI tells an event to somebody."""
        running = self.ledger.hear(event, data)
        if running is not None:
            self.broadcaster.progress(running)

    def ending(self, item_id: Any) -> Ending:
        """A prompt's end is about to be noted by ComfyUI, which then forgets its item."""
        item = Item.of(self.queue.currently_running[item_id])
        running = self.ledger.find(item.prompt_id)
        if running is not None:
            running.ending = True
        return Ending(item, running, time.time())

    def ended(self, ending: Ending, history_result: Any, status: Any) -> None:
        """ComfyUI has noted a prompt's end: manifest first, then everybody may know."""
        kind = guarded("how a prompt ended is not understood", manifest.kind_of, status)
        if kind is not None:
            guarded("a prompt has no manifest", self._keep, ending, kind, history_result, status)
        item = ending.item
        self._note_end(item, kind, ending.at)
        self.broadcaster.end(item.prompt_id, item.job_id, kind, ending.at)

    def forget(self, ending: Ending) -> None:
        """Whatever happened, the prompt runs no more."""
        if ending.running is not None:
            self.ledger.forget(ending.running)

    def removed(self, entries: list[Any]) -> None:
        """Pending prompts were taken out of the queue, whose lock is held now: nothing slow."""
        at = time.time()
        manifests = []
        for entry in entries:
            item = guarded("a removed prompt is not noted", Item.of, entry)
            if item is None:
                self.ledger.lose()
            else:
                # Not the item, whose graph may be large.
                told = manifest.base(item, self.boot_id, "removed", at)
                told["created_at"] = self._created_at(item)
                manifests.append(told)
                self._note_end(item, "removed", at)
        if manifests:
            self._files.submit(partial(self._keep_removed, manifests))

    def _note_end(self, item: Item, kind: str | None, at: float) -> None:
        first_prompt_id = item.notes.get(NOTE_FIRST_PROMPT_ID)
        self.ledger.end(item.prompt_id, item.clients_job_id, kind, at, first_prompt_id)

    def _keep_removed(self, manifests: list[dict[str, Any]]) -> None:
        for told in manifests:
            if self._files.closing.is_set():
                return
            guarded("a removed prompt has no manifest", self._write, told)
            self.broadcaster.end(told["prompt_id"], told["job_id"], told["kind"], told["ended_at"])

    def _keep(self, ending: Ending, kind: str, history_result: Any, status: Any) -> None:
        item, running = ending.item, ending.running
        told = manifest.base(item, self.boot_id, kind, ending.at)
        told |= {
            "created_at": self._created_at(item),
            "error": manifest.error_of(status) if kind == "error" else None,
            "outputs": manifest.outputs_of(history_result, self.folder.real_root),
            "cached_nodes": manifest.cached_nodes(status),
            **self.works.of(item.prompt_id, item.graph),
        }
        if running is not None:
            seconds = self.ledger.close_nodes(running)
            told |= {
                "started_at": running.since,
                "nodes": manifest.timings(running, seconds),
                "expected_frames": running.expected_frames(),
                "followed_by": running.followed_by,
            }
        written = self._write(told)
        if written is not None:
            self._digests.submit(partial(self._finish, told, written))

    def _write(self, told: dict[str, Any]) -> Written | None:
        try:
            written = self.folder.write(told["prompt_id"], manifest.encode(told))
        except OSError as error:
            step_aside_quietly(f"no manifests can be written in {self.folder.path}", error)
            return None
        self._prune_now_and_then()
        return written

    def _finish(self, told: dict[str, Any], written: Written) -> None:
        try:
            self._digester.finish(told, written)
        except OSError as error:
            step_aside_quietly(f"manifests stay without digests in {self.folder.path}", error)

    def _created_at(self, item: Item) -> float | None:
        stamp = item.created_at
        return self.ledger.submitted_at(item.prompt_id) if stamp is None else stamp

    def _prune_now_and_then(self) -> None:
        if self._ends % _PRUNE_EVERY == 0:
            self._files.submit(self._prune)
        self._ends += 1

    def _prune(self) -> None:
        try:
            deleted = self.folder.prune(time.time(), self._files.closing)
        except OSError as error:
            step_aside_quietly(f"old manifests stay in {self.folder.path}", error)
            return
        if deleted:
            log.info("reconciler: deleted %d old manifests", deleted)
