"""What really happened, kept apart from everything the simulator tells over HTTP.

Tests and the demo compare rows with this record, never with the simulator's own /history: the
script side (the prompt worker and the nodes) writes it, the answering side cannot.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from enum import StrEnum

from reconciler.simulator.outcomes import Outcome


class Ending(StrEnum):
    """What became of a prompt in the end, whatever its script had said."""

    SUCCESS = "success"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    #: Deleted from the queue before it ran.
    REMOVED = "removed"
    #: Running or pending when the process died.
    LOST = "lost"
    #: It took the worker thread with it, and is shown as running for ever.
    WORKER_DEAD = "worker_dead"


@dataclass(frozen=True, slots=True)
class TruthEntry:
    """One line of the record. Times are `time.time()` of this machine."""

    prompt_id: str
    #: What the graph told to happen; None for a graph without a `SimulatedRender`.
    outcome: Outcome | None = None
    #: None while it waits or runs, which a hung prompt does for ever.
    ending: Ending | None = None
    started_at: float | None = None
    #: Taken right before the prompt leaves the queue for the history.
    ended_at: float | None = None
    #: Absolute paths in the order of their writing, partial and deleted files included.
    files: tuple[str, ...] = ()
    #: The file that a user would call the result; None if none was begun.
    main_file: str | None = None
    #: Frames of the main file (for stills: how many were written).
    frames_written: int = 0


class Truth:
    """An append-only record; a prompt's latest line is what holds."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._entries: list[TruthEntry] = []
        self._latest: dict[str, TruthEntry] = {}

    def write(self, entry: TruthEntry) -> None:
        """Add a line."""
        with self._changed:
            self._entries.append(entry)
            self._latest[entry.prompt_id] = entry
            self._changed.notify_all()

    def entries(self) -> list[TruthEntry]:
        """Every line, in the order of writing."""
        with self._changed:
            return list(self._entries)

    def latest(self) -> dict[str, TruthEntry]:
        """The latest line of each prompt, in the order in which they were submitted."""
        with self._changed:
            return dict(self._latest)

    def of(self, prompt_id: str) -> TruthEntry | None:
        """The latest line of one prompt; None if it was never accepted."""
        with self._changed:
            return self._latest.get(prompt_id)

    def wait_until_ended(self, prompt_id: str, timeout_s: float) -> TruthEntry:
        """Wait for the end of a prompt and return its line. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_ended(prompt_id), timeout_s):
                raise TimeoutError(f"prompt {prompt_id} has not ended within {timeout_s} s")
            return self._latest[prompt_id]

    def as_json(self) -> list[dict[str, object]]:
        """The latest line of each prompt, ready for JSON."""
        return [asdict(entry) for entry in self.latest().values()]

    def _has_ended(self, prompt_id: str) -> bool:
        return prompt_id in self._latest and self._latest[prompt_id].ended_at is not None
