"""What kind of work a prompt is, and what past runs of such work took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log

from reconciler.core.evidence import EndKind, NodeRun


@dataclass(frozen=True, slots=True)
class Sizes:
    """What makes a prompt of one workflow longer work than another; None = not known."""

    frames: int | None = None
    #: Pixels.
    width: int | None = None
    height: int | None = None
    #: Of all samplers together.
    steps: int | None = None

    def log_ratio(self, other: Sizes) -> float:
        """The logarithm of how many times as much work this is, by what is known of both."""
        pairs = zip(self._parts(), other._parts(), strict=True)
        return sum(log(mine / theirs) for mine, theirs in pairs if mine and theirs)

    def or_else(self, other: Sizes) -> Sizes:
        """These, and of what is not known the other's."""
        has_picture = self.width is not None and self.height is not None
        return Sizes(
            self.frames if self.frames is not None else other.frames,
            self.width if has_picture else other.width,
            self.height if has_picture else other.height,
            self.steps if self.steps is not None else other.steps,
        )

    def _parts(self) -> Iterator[int | None]:
        yield self.frames if (self.frames or 0) > 0 else None
        pixels = (self.width or 0) * (self.height or 0)
        yield pixels if pixels > 0 else None
        yield self.steps if (self.steps or 0) > 0 else None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a prompt's duration depends on, as far as it is known."""

    #: The shape of the graph (`comfy_node.shapes`).
    workflow: str | None = None
    job_type: str | None = None
    server: str | None = None
    sizes: Sizes = field(default_factory=Sizes)


@dataclass(frozen=True, slots=True)
class Run:
    """One run that succeeded and computed something."""

    kind: Kind
    ran_s: float
    #: Seconds since the epoch by the database's clock.
    ended_at: float
    #: The nodes that ran, in the order in which they ended; empty where nobody told.
    nodes: tuple[NodeRun, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptRun:
    """The run of a job's prompt, however it ended. Durations are by ComfyUI's clock."""

    prompt_id: str
    job_id: str
    attempt: int
    kind: EndKind
    run: Run
    #: Seconds in the queue; None where nobody told when it was submitted.
    waited_s: float | None = None
    #: Node ids that were answered from the cache.
    cached: tuple[str, ...] = ()
    #: Who told of the nodes: "manifest", "heard", or None for nobody.
    nodes_by: str | None = None
    #: All of it was answered from the cache.
    reused: bool = False

    @property
    def teaches(self) -> bool:
        """True where it says how long such a run takes."""
        return self.kind is EndKind.SUCCESS and not self.reused and self.run.ran_s > 0
