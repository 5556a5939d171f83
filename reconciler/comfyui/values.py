"""What a ComfyUI server's answers say, as values. Times are seconds since the epoch, its clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.evidence import Ending


@dataclass(frozen=True, slots=True)
class QueuedPrompt:
    """A prompt as the queue or the history names it."""

    prompt_id: str
    #: Its rank: the smallest runs first. Negative for `front: true`.
    number: float
    #: `extra_data.job_id` or `extra_data.extra_pnginfo.job_id`, whoever put it there.
    job_id: str | None = None
    client_id: str | None = None
    #: Output nodes that are to run; None where the answer does not list them.
    output_nodes: int | None = None
    #: Nodes of its graph; None where the answer does not show the graph.
    graph_nodes: int | None = None
    #: When it was submitted; only versions from 2026 tell.
    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """The queue at one moment: the server read both lists under one lock."""

    running: tuple[QueuedPrompt, ...] = ()
    #: In the order in which they will run: index + 1 is the position.
    pending: tuple[QueuedPrompt, ...] = ()

    def __iter__(self) -> Iterator[QueuedPrompt]:
        yield from self.running
        yield from self.pending


@dataclass(frozen=True, slots=True)
class EndedPrompt:
    """A prompt that history knows."""

    prompt: QueuedPrompt
    ending: Ending
    #: Output nodes that were answered from the cache: their files are an earlier prompt's.
    reused_nodes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Device:
    """One device that the server computes on."""

    name: str
    type: str
    vram_total_bytes: int | None = None
    vram_free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What GET /system_stats tells; None and empty where it does not."""

    version: str | None = None
    #: As ComfyUI was told it on its command line, in its own file system; None = its default.
    output_dir: str | None = None
    argv: tuple[str, ...] = ()
    python_version: str | None = None
    pytorch_version: str | None = None
    os: str | None = None
    devices: tuple[Device, ...] = ()
