"""The prompt queue and the history, under ComfyUI's own names, which node packs reach for."""

from __future__ import annotations

import copy
import heapq
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

#: `(number, prompt_id, graph, extra_data, ids of the output nodes)`, in 0.33.0 with a dict of
#: secrets behind. A tuple, because the heap compares the numbers first and the ids next. VHS puts
#: the six of 0.33.0 into every version.
Item = tuple[Any, ...]

#: Takes each item's place in the history.
ProcessItem = Callable[[Item], Item]

#: ComfyUI forgets the oldest entries beyond this many.
HISTORY_LIMIT = 10_000

#: Entries of `extra_data` that neither /queue nor /history may show.
SENSITIVE_KEYS = ("auth_token_comfy_org", "api_key_comfy_org")


class _PromptQueue:
    """Pending prompts (a heap), running ones, and the history.

    A prompt leaves the queue and enters the history under one lock, so that a reader who looks at
    the queue first and at the history next finds every live prompt in one of the two.
    """

    class ExecutionStatus(NamedTuple):
        """How a prompt ended."""

        status_str: str
        completed: bool
        messages: list[list[Any]]

    def __init__(self, on_change: Callable[[], None]) -> None:
        """`on_change` is called whenever the queue changes."""
        self.mutex = threading.RLock()
        self.not_empty = threading.Condition(self.mutex)
        self.task_counter = 0
        self.queue: list[Item] = []
        #: By item id, which counts the prompts that were started.
        self.currently_running: dict[int, Item] = {}
        self.history: dict[str, dict[str, Any]] = {}
        self._on_change = on_change

    def put(self, item: Item) -> None:
        """Add a pending prompt; one that has number and id of another is not noticed."""
        with self.mutex:
            heapq.heappush(self.queue, item)
            self._on_change()
            self.not_empty.notify()

    def get(self, timeout: float | None = None) -> tuple[Item, int] | None:
        """Move the prompt with the smallest number to the running ones, as a copy.

        Returns it and its item id; None where nothing came within `timeout` seconds.
        """
        with self.not_empty:
            while not self.queue:
                self.not_empty.wait(timeout=timeout)
                if timeout is not None and not self.queue:
                    return None
            item = heapq.heappop(self.queue)
            item_id = self.task_counter
            self.currently_running[item_id] = copy.deepcopy(item)
            self.task_counter += 1
            self._on_change()
            return item, item_id

    def get_current_queue(self) -> tuple[list[Item], list[Item]]:
        """As `get_current_queue_volatile`, with copies of the pending ones."""
        with self.mutex:
            running, pending = self.get_current_queue_volatile()
            return running, copy.deepcopy(pending)

    def get_current_queue_volatile(self) -> tuple[list[Item], list[Item]]:
        """Running prompts, and pending ones in the heap's order, which is not sorted."""
        with self.mutex:
            return list(self.currently_running.values()), list(self.queue)

    def get_tasks_remaining(self) -> int:
        """Prompts that are pending or running."""
        with self.mutex:
            return len(self.queue) + len(self.currently_running)

    def wipe_queue(self) -> None:
        """Take every pending prompt out of the queue."""
        with self.mutex:
            self.queue = []
            self._on_change()

    def delete_queue_item(self, function: Callable[[Item], bool]) -> bool:
        """Take the first pending prompt out that `function` picks; it leaves no trace."""
        with self.mutex:
            for index, item in enumerate(self.queue):
                if function(item):
                    if len(self.queue) == 1:
                        self.wipe_queue()  # and so ComfyUI tells of the change twice
                    else:
                        self.queue.pop(index)
                        heapq.heapify(self.queue)
                    self._on_change()
                    return True
        return False

    def get_history(
        self, prompt_id: str | None = None, max_items: int | None = None, offset: int = -1
    ) -> dict[str, Any]:
        """The entry of one prompt under its id, if there is one; or those from `offset` on, at
        most `max_items`, by default the last ones."""
        with self.mutex:
            if prompt_id is not None:
                entry = self.history.get(prompt_id)
                return {} if entry is None else {prompt_id: copy.deepcopy(entry)}
            ids = list(self.history)
            if offset < 0:
                offset = 0 if max_items is None else max(len(ids) - max_items, 0)
            stop = None if max_items is None else offset + max_items
            return {key: self.history[key] for key in ids[offset:stop]}

    def wipe_history(self) -> None:
        """Delete the whole history."""
        with self.mutex:
            self.history = {}

    def delete_history_item(self, id_to_delete: str) -> None:
        """Delete an entry of the history."""
        with self.mutex:
            self.history.pop(id_to_delete, None)

    def _finish(
        self,
        item_id: int,
        history_result: dict[str, Any],
        status: ExecutionStatus | None,
        process_item: ProcessItem,
    ) -> None:
        """Move a running prompt into the history, in one step."""
        with self.mutex:
            item = process_item(self.currently_running.pop(item_id))
            if len(self.history) > HISTORY_LIMIT:
                self.history.pop(next(iter(self.history)))
            told = None if status is None else copy.deepcopy(status._asdict())
            entry: dict[str, Any] = {"prompt": item, "outputs": {}, "status": told}
            self.history[item[1]] = entry | history_result
            self._on_change()


class PromptQueue(_PromptQueue):
    """The queue of 0.33.0."""

    def task_done(
        self,
        item_id: int,
        history_result: dict[str, Any],
        status: _PromptQueue.ExecutionStatus | None,
        process_item: ProcessItem | None = None,
    ) -> None:
        """Move a running prompt into the history; `process_item` takes secrets out of it."""
        self._finish(item_id, history_result, status, process_item or _as_it_is)


class OldPromptQueue(_PromptQueue):
    """The queue of 0.3.64, which takes the secrets out itself."""

    def task_done(
        self,
        item_id: int,
        history_result: dict[str, Any],
        status: _PromptQueue.ExecutionStatus | None,
    ) -> None:
        """Move a running prompt into the history."""
        self._finish(item_id, history_result, status, _without_secrets)


ExecutionStatus = _PromptQueue.ExecutionStatus
AnyPromptQueue = PromptQueue | OldPromptQueue


def remove_sensitive(item: Item) -> Item:
    """An item of 0.33.0 without its dict of secrets."""
    return item[:5] + item[6:]


def _as_it_is(item: Item) -> Item:
    return item


def _without_secrets(item: Item) -> Item:
    for key in SENSITIVE_KEYS:
        item[3].pop(key, None)
    return item
