"""What outlives a crash of the simulated process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.simulator.graph import scripted_outcome
from reconciler.simulator.queue import Item
from reconciler.simulator.truth import Truth, TruthEntry
from reconciler.simulator.versions import Version


@dataclass(slots=True)
class World:
    """Settings, the record of the truth, and faults that were asked for."""

    output_dir: Path
    version: Version
    host: str
    port: int
    speed: float
    #: The node pack is installed.
    pack: bool
    #: False for `--disable-metadata`: ComfyUI's own savers write no tags.
    metadata: bool
    truth: Truth = field(default_factory=Truth)
    #: Every HTTP answer is late by this much.
    answer_delay_s: float = 0.0

    def delay_answers(self, seconds: float) -> None:
        """Make every HTTP answer late by so many seconds from now on."""
        self.answer_delay_s = seconds

    def note_new(self, item: Item) -> None:
        """The first line about a prompt that was accepted; of an id used twice, the second."""
        self.truth.write(TruthEntry(item[1], scripted_outcome(item[2])))

    def note(self, item: Item, **changes: Any) -> None:
        """A further line about a prompt: what was known of it, and the changes.

        It is the first where a node queued the prompt, past POST /prompt.
        """
        known = self.truth.of(item[1]) or TruthEntry(item[1], scripted_outcome(item[2]))
        self.truth.write(replace(known, **changes))
