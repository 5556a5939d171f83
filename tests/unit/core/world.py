"""A ComfyUI server with its files, as it really is, and an observer who looks at it now and then.

The world knows the truth. The observer keeps what a reconciler keeps between two looks and builds
the evidence from what it can see: no queue while the network is down, no file while the directory
is away, no history after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.core.evidence import (
    Ending,
    EndKind,
    Evidence,
    FileState,
    OutputFile,
    Place,
    PromptEvidence,
    Source,
)

#: Seconds between the two inspections that confirm a damage.
CONFIRM_S = 10.0


@dataclass
class Prompt:
    """What really happens to one prompt. `saves` files come from as many output nodes."""

    id: str
    saves: int
    started_at: float | None = None
    sign_at: float | None = None
    end: EndKind | None = None
    #: Path to "growing", "whole", "broken" or "deleted".
    files: dict[str, str] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        return self.end is EndKind.SUCCESS

    @property
    def whole(self) -> bool:
        return all(state == "whole" for state in self.files.values())


@dataclass
class World:
    """One server, one output directory."""

    has_pack: bool
    now: float = 10_000.0
    up: bool = True
    network: bool = True
    mounted: bool = True
    worker: bool = True
    boot: int = 1
    prompts: dict[str, Prompt] = field(default_factory=dict)
    queue: list[str] = field(default_factory=list)
    running: str | None = None
    history: set[str] = field(default_factory=set)
    manifests: set[str] = field(default_factory=set)

    @property
    def answers(self) -> bool:
        return self.up and self.network

    @property
    def current(self) -> Prompt | None:
        return self.prompts[self.running] if self.running else None

    @property
    def works(self) -> bool:
        """The worker lives and has something to do."""
        return self.worker and bool(self.running or self.queue)

    def alive(self, prompt_id: str) -> bool:
        return prompt_id == self.running or prompt_id in self.queue

    def start_next(self) -> None:
        self.running = self.queue.pop(0)
        prompt = self.prompts[self.running]
        prompt.started_at = prompt.sign_at = self.now

    def write(self, state: str) -> None:
        """The running prompt's next file appears, or the one that grows is closed."""
        prompt = self.current
        assert prompt is not None
        prompt.sign_at = self.now
        growing = [path for path, was in prompt.files.items() if was == "growing"]
        path = growing[0] if growing else f"{prompt.id}-{len(prompt.files)}.mp4"
        prompt.files[path] = state if growing else "growing"

    def finish(self, kind: EndKind) -> None:
        prompt = self.current
        assert prompt is not None
        self.running = None
        if kind is not EndKind.SUCCESS:
            self._break_growing(prompt)
        self._end(prompt, kind, kept=True)

    def remove(self, prompt_id: str) -> None:
        self.queue.remove(prompt_id)
        self._end(self.prompts[prompt_id], EndKind.REMOVED, kept=False)

    def crash(self) -> None:
        if self.current:
            self._break_growing(self.current)
        self.up, self.running = False, None
        self.queue.clear()
        self.history.clear()

    def restart(self) -> None:
        self.up = self.worker = True
        self.boot += 1

    def _end(self, prompt: Prompt, kind: EndKind, kept: bool) -> None:
        prompt.end = kind
        if kept:
            self.history.add(prompt.id)
        if self.has_pack and self.mounted:
            self.manifests.add(prompt.id)

    @staticmethod
    def _break_growing(prompt: Prompt) -> None:
        prompt.files = {p: "broken" if s == "growing" else s for p, s in prompt.files.items()}


@dataclass
class Memory:
    """What the observer keeps of one prompt."""

    ever_seen: bool = False
    ending: Ending | None = None
    ending_seen_at: float | None = None
    running_since: float | None = None
    sign_at: float | None = None
    looks: int = 0
    missing_since: float | None = None
    boot: int | None = None
    boot_changed_since: float | None = None
    output_nodes: int | None = None


@dataclass
class Observer:
    """What the observer keeps between two looks, for one attempt of one job."""

    world: World
    watching_since: float
    memory: dict[str, Memory] = field(default_factory=dict)
    unreachable_since: float | None = None
    witness_since: float | None = None
    broken_since: dict[str, float] = field(default_factory=dict)
    states: dict[str, FileState] = field(default_factory=dict)

    def look(self, own: list[str], linked: str | None) -> Evidence:
        """The evidence on a job with the prompts `own`, of which the row names `linked`."""
        world = self.world
        if world.answers:
            self.unreachable_since = None
        elif self.unreachable_since is None:
            self.unreachable_since = world.now
        listening = world.answers and world.mounted
        self.witness_since = (self.witness_since or world.now) if listening else None
        known = [i for i in own if i == linked or i in self.memory or self._discovers(i)]
        prompts = tuple(self._prompt(world.prompts.get(i) or Prompt(i, 0)) for i in known)
        claimed = {o.path for p in prompts for o in p.outputs}
        return Evidence(
            prompts=prompts,
            tagged_outputs=tuple(o for i in known for o in self._files(i) if o.path not in claimed),
            storage_healthy=world.mounted,
            unreachable_since=self.unreachable_since,
            unreachable_how=None if world.answers else "refused",
            watching_since=self.watching_since,
        )

    def _discovers(self, prompt_id: str) -> bool:
        """The prompt carries the job's tag where it can be seen."""
        world = self.world
        at_server = world.alive(prompt_id) or prompt_id in world.history
        on_disk = prompt_id in world.manifests or bool(
            prompt_id in world.prompts and world.prompts[prompt_id].files
        )
        return (world.answers and at_server) or (world.mounted and on_disk)

    def _prompt(self, truth: Prompt) -> PromptEvidence:
        world, kept = self.world, self.memory.setdefault(truth.id, Memory())
        place = Place.UNKNOWN
        if world.answers:
            place = Place.RUNNING if world.running == truth.id else Place.ABSENT
            place = Place.PENDING if truth.id in world.queue else place
            self._note(kept, truth, place)
        in_history = world.answers and truth.id in world.history
        if in_history or (world.mounted and truth.id in world.manifests):
            assert truth.end is not None
            kept.ending = Ending(truth.end, Source.HISTORY if in_history else Source.MANIFEST)
            kept.ever_seen = True
        if kept.ending and world.mounted and kept.ending_seen_at is None:
            kept.ending_seen_at = world.now
        succeeded = kept.ending is not None and kept.ending.kind is EndKind.SUCCESS
        return PromptEvidence(
            prompt_id=truth.id,
            place=place,
            ever_seen=kept.ever_seen,
            ending=kept.ending,
            ending_seen_at=kept.ending_seen_at,
            outputs=self._files(truth.id) if succeeded else (),
            running_since=kept.running_since,
            last_sign_at=kept.sign_at,
            witness_since=self.witness_since,
            missing_looks=kept.looks,
            missing_since=kept.missing_since,
            boot_changed_since=kept.boot_changed_since,
            worker_dead=world.answers and world.has_pack and not world.worker,
            output_nodes=kept.output_nodes,
        )

    def _note(self, kept: Memory, truth: Prompt, place: Place) -> None:
        """Keep what a clean answer of the server says."""
        world = self.world
        if place is Place.ABSENT and truth.id not in world.history:
            kept.looks += 1
            kept.missing_since = world.now if kept.missing_since is None else kept.missing_since
            if kept.boot not in (None, world.boot) and kept.boot_changed_since is None:
                kept.boot_changed_since = world.now
            return
        kept.ever_seen, kept.looks, kept.missing_since = True, 0, None
        kept.boot, kept.boot_changed_since = world.boot if world.has_pack else None, None
        kept.output_nodes = truth.saves
        kept.running_since, kept.sign_at = truth.started_at, truth.sign_at

    def _files(self, prompt_id: str) -> tuple[OutputFile, ...]:
        files = self.world.prompts[prompt_id].files if prompt_id in self.world.prompts else {}
        return tuple(self._inspect(path, truth, prompt_id) for path, truth in files.items())

    def _inspect(self, path: str, truth: str, prompt_id: str) -> OutputFile:
        now = self.world.now
        if self.world.mounted:
            states = {"growing": FileState.UNSETTLED, "whole": FileState.SOUND}
            states |= {"broken": FileState.UNSOUND, "deleted": FileState.ABSENT}
            self.states[path] = states[truth]
        state = self.states.get(path, FileState.ABSENT)
        since = self.broken_since.setdefault(path, now) if state is FileState.UNSOUND else now
        if state is not FileState.UNSOUND:
            self.broken_since.pop(path, None)
        confirmed = now - since >= CONFIRM_S
        node = path.rpartition("-")[2]
        return OutputFile(
            path, state, node_id=node, confirmed=confirmed, tagged=True, prompt_id=prompt_id
        )
