"""What is known about a job at one instant. Values only; `decide` draws the conclusion.

All times are seconds since the epoch by the database's clock. None means "not known", never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.expectation import SaverPromise

#: Longest name of a node in a sentence, in characters: names are outside text.
MAX_SAID = 80


class Place(StrEnum):
    """Where a server's answer shows a prompt."""

    #: In `queue_running`.
    RUNNING = "running"
    #: In `queue_pending`.
    PENDING = "pending"
    #: In neither queue nor history, and the server answered both questions cleanly.
    ABSENT = "absent"
    #: No clean answer: the server was unreachable, slow, or talked nonsense.
    UNKNOWN = "unknown"


class EndKind(StrEnum):
    """How a prompt ended, told by history or by the pack's manifest."""

    SUCCESS = "success"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    #: Deleted from the queue before it ran (only the node pack tells).
    REMOVED = "removed"


class Source(StrEnum):
    """Who told of an ending."""

    HISTORY = "history"
    MANIFEST = "manifest"
    #: The node pack's snapshot: how it ended and when, and nothing else.
    SNAPSHOT = "snapshot"


#: How a server is silent that answers: it is several, and each knows other prompts.
SHARED = "shared"


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file that a prompt's ending lists, as ComfyUI names it."""

    node_id: str
    filename: str
    subfolder: str
    #: "output", or "temp" and "input", which are no results.
    type: str
    #: The key it stood under: images, gifs, videos, audio, ...
    kind: str
    #: As the pack saw the file when the prompt ended; None without its manifest.
    size_bytes: int | None = None
    mtime_ns: int | None = None
    #: "<algorithm>:<hex>"; the pack adds it a moment later.
    digest: str | None = None
    #: Its node was answered from the cache: an earlier prompt wrote it.
    reused: bool = False


@dataclass(frozen=True, slots=True)
class NodeRun:
    """How long one node of a prompt ran."""

    node_id: str
    node_type: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How a prompt ended. Once seen it is stored, whatever the server forgets later."""

    kind: EndKind
    source: Source
    #: Every file that history lists, temp files included.
    files: tuple[ListedFile, ...] = ()
    node_id: str | None = None
    node_type: str | None = None
    exception_type: str | None = None
    #: First line of the exception's message.
    message: str | None = None
    out_of_memory: bool = False
    #: Every node was cached: the files are those of an earlier prompt.
    cached: bool = False
    #: ComfyUI's own clock, from the messages of the history entry.
    started_at: float | None = None
    ended_at: float | None = None
    #: What an Expect Frames node promised; the row's own expectation goes before it.
    expected_frames: int | None = None
    #: What the graph says of the frames and the rate of its savers; only history shows the graph.
    promises: tuple[SaverPromise, ...] = ()
    #: The nodes that ran longest, the longest first; only the manifest tells.
    node_runs: tuple[NodeRun, ...] = ()


class FileState(StrEnum):
    """What is known of one output file."""

    #: Not on disk.
    ABSENT = "absent"
    #: On disk and still changing, or not yet quiet for long enough.
    UNSETTLED = "unsettled"
    #: Settled, and the inspection has not answered yet.
    UNCHECKED = "unchecked"
    SOUND = "sound"
    UNSOUND = "unsound"
    #: Settled and looked at, and nothing here can decode it: neither sound nor unsound.
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One output file of a prompt and what its inspection said."""

    #: Path as applications see it (`stored_path`).
    path: str
    state: FileState
    #: The main output: the one the row points at.
    is_main: bool = False
    node_id: str | None = None
    #: In words: "71 of 72 frames", "moov box missing". Expectations included.
    defects: tuple[str, ...] = ()
    #: Inspected twice, far enough apart, with unchanged size and time: the damage, or that nothing
    #: here can judge it, is there to stay.
    confirmed: bool = False
    #: Why nothing here can judge it, in words.
    unjudged: str | None = None
    #: What a person should know of its content, in words: no defects.
    warnings: tuple[str, ...] = ()
    #: What was expected of it, by whom, and what was found, each in words.
    expected: tuple[str, ...] = ()
    #: The algorithm of the digest by which it is, byte for byte, what ComfyUI wrote; None where
    #: none was compared, and that it decodes is all that is known.
    identical_by: str | None = None
    #: How far its check is, in words: "42 % checked (310 of 740 s)".
    checked: str | None = None
    #: Why it could not be looked at so far, in words: "cannot be opened: Permission denied".
    trouble: str | None = None
    #: The tag inside the file names this job and a prompt of it.
    tagged: bool = False
    #: The prompt that the tag names, where it names one.
    prompt_id: str | None = None
    #: By what it was found to be the job's, in words, where no prompt's own listing says it.
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Doing:
    """What a running prompt was doing when it was heard last."""

    node_id: str
    #: The node's `class_type`; None where nothing told it.
    node_type: str | None = None
    #: Step `value` of `maximum`; 0 of 0 where the node has told none yet.
    value: float = 0.0
    maximum: float = 0.0

    def __str__(self) -> str:
        """As a person says it: "node 7 (KSampler), step 12 of 30"."""
        kind = f" ({self.node_type[:MAX_SAID]})" if self.node_type else ""
        steps = f", step {self.value:.0f} of {self.maximum:.0f}" if self.maximum > 1 else ""
        return f"node {self.node_id[:MAX_SAID]}{kind}{steps}"


@dataclass(frozen=True, slots=True)
class PromptEvidence:
    """What is known of one prompt of the job's current attempt."""

    prompt_id: str
    place: Place
    server: str | None = None
    #: Rank in the queue, 1 = next. None unless pending.
    position: int | None = None
    #: It was seen in a queue, in a history or running at least once.
    ever_seen: bool = False
    ending: Ending | None = None
    #: First look that knew of the ending while the storage was healthy.
    ending_seen_at: float | None = None
    #: Every listed output of type "output".
    outputs: tuple[OutputFile, ...] = ()
    running_since: float | None = None
    #: Seconds of its run in which nobody watched it: its server did not answer, or no reconciler
    #: looked. They count against no budget.
    unwatched_s: float = 0.0
    #: What it was doing when it was heard last; None where nothing was heard.
    doing: Doing | None = None
    #: Last progress or node event of this prompt, growth of one of its files, or its start.
    last_sign_at: float | None = None
    #: Since when a source that could have broken the silence has been listening, while its server
    #: answered and its output directory was there, without a gap; None = none is.
    witness_since: float | None = None
    #: Clean looks in a row that did not find it, and the first of them.
    missing_looks: int = 0
    missing_since: float | None = None
    #: Since when the server's boot id differs from the one it was last seen under (both known).
    boot_changed_since: float | None = None
    #: The snapshot says that no prompt worker lives, though this boot was seen with one.
    worker_dead: bool = False
    #: How and when (by ComfyUI's clock) the snapshot said that it ended, where no ending is known.
    noted: EndKind | None = None
    noted_at: float | None = None
    #: We interrupted it, because it had stalled.
    interrupted_by_us: bool = False
    #: Output nodes of its graph; with every one of them in tagged files the job is whole.
    output_nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about one job at one instant."""

    #: Prompts of the current attempt, in the order in which they were first seen.
    prompts: tuple[PromptEvidence, ...] = ()
    #: Files that carry this job's tag and were claimed by no ending.
    tagged_outputs: tuple[OutputFile, ...] = ()
    #: Files that were written while it may have run, and are still to be inspected: whose they are
    #: is not known yet.
    unread: int = 0
    #: False: the output directory is unreadable, or is not the one that it was last time.
    storage_healthy: bool = True
    #: Since when the server (every server, if the job's is unknown) has been unreachable.
    unreachable_since: float | None = None
    #: "refused", "timeout", "answer" or `SHARED`: told apart in the story.
    unreachable_how: str | None = None
    #: Since when this reconciler has been watching; clocks of silence start no earlier.
    watching_since: float = 0.0
    #: Who asked for the job to be cancelled; None: nobody did.
    cancel_asked_by: str | None = None
