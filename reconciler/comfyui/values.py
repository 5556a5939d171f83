"""What a ComfyUI server's answers say, as values. Times are seconds since the epoch, its clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.core.evidence import Ending, EndKind, NodeRun
from reconciler.core.kinds import Sizes


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
    #: When it was submitted; only versions from 2026, and the node pack, tell.
    created_at: float | None = None
    #: Who named the job id: "client", or "node" for a Tag node, which may be a relic of a workflow
    #: that was saved long ago. Only the pack tells.
    job_id_from: str | None = None
    #: The prompt whose node queued this one, as the pack saw it.
    first_prompt_id: str | None = None
    #: `class_type` by node id; empty where the answer does not show the graph.
    node_types: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    #: The shape of its graph, and what is typed into it that makes it long work; None and empty
    #: where neither the graph is shown nor the node pack tells.
    workflow: str | None = field(default=None, compare=False)
    sizes: Sizes = field(default=Sizes(), compare=False)


@dataclass(frozen=True, slots=True)
class RunningState:
    """How far a running prompt is, by the pack's snapshot. Ages are seconds before the answer:
    ComfyUI's clock is compared with itself alone."""

    age_s: float | None = None
    #: Since its last sign of life: its start, a node event, a step.
    sign_age_s: float | None = None
    node_id: str | None = None
    node_type: str | None = None
    #: Step `value` of `maximum` of that node.
    value: float | None = None
    maximum: float | None = None
    nodes_done: int | None = None


@dataclass(frozen=True, slots=True)
class EndedNote:
    """The snapshot's word for how a prompt ended; history or manifest has the details."""

    prompt_id: str
    kind: EndKind
    job_id: str | None = None
    at: float | None = None
    #: The prompt whose node queued this one.
    first_prompt_id: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The newest entries of a history."""

    ended: Mapping[str, EndedPrompt]
    #: They are all that it has, and each could be read: what is not among them is not in it.
    whole: bool


@dataclass(frozen=True, slots=True)
class Look:
    """The queue at one moment: the server read both lists under one lock.

    All but the two lists comes from the node pack's snapshot, and is None or empty without it.
    """

    running: tuple[QueuedPrompt, ...] = ()
    #: In the order in which they will run: index + 1 is the position.
    pending: tuple[QueuedPrompt, ...] = ()
    #: The life of ComfyUI's process that answered: another one proves a restart.
    boot_id: str | None = None
    #: False: the thread that runs prompts is dead. None: nobody can tell.
    worker_alive: bool | None = None
    #: Version of the node pack.
    pack: str | None = None
    #: Of running prompts, by prompt id.
    states: Mapping[str, RunningState] = field(default_factory=dict)
    #: Prompts that ended since this client's last look, oldest first.
    ended: tuple[EndedNote, ...] = ()
    #: False where some that ended since then are not among them.
    complete: bool | None = None

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
    #: Follow-ups that its nodes queued; only a manifest tells.
    followed_by: tuple[str, ...] = ()
    #: All nodes that ran, in the order in which they ended; None where no manifest tells.
    ran: tuple[NodeRun, ...] | None = None
    #: All nodes that were answered from the cache.
    cached_nodes: tuple[str, ...] = ()


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
