"""Simulated ComfyUI servers: queue, history, output directory, and all that happens to them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reconciler.comfyui.values import EndedNote, EndedPrompt, Look, QueuedPrompt, RunningState
from reconciler.core.evidence import Ending, EndKind, Source
from tests.faults.stateful.prompts import File, Prompt, save_image
from tests.integration import manifests
from tests.integration.hours import Time
from tests.integration.reconciling import listed

Network = Literal["well", "refused", "timeout", "garbage", "mute history"]
Outcome = Literal[
    "sound", "two", "damaged", "missing", "late", "cached", "overwritten", "nothing",
    "error", "out of memory", "interrupted",
]  # fmt: skip
OUTCOMES: tuple[Outcome, ...] = Outcome.__args__  # type: ignore[attr-defined]
NETWORKS: tuple[Network, ...] = Network.__args__  # type: ignore[attr-defined]


@dataclass
class Comfy:
    """One server as it is. With `pack` the node pack tells more, and writes manifests."""

    name: str
    mount: Path
    time: Time
    pack: bool
    network: Network = "well"
    up: bool = True
    worker_alive: bool = True
    boot: int = 1
    prompts: dict[str, Prompt] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    notes: list[EndedNote] = field(default_factory=list)
    #: What is written and not to be seen yet: name of the file.
    late: dict[str, Path] = field(default_factory=dict)
    #: Looks that were answered, and when the last one was.
    looks: int = 0
    answered_at: float = 0.0
    #: Since when it has been looked at without a gap.
    watched_since: float = 0.0
    mounted: bool = True
    mounted_at: float = 0.0
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.mount.mkdir(parents=True)
        self._late_folder.mkdir()
        self.answered_at = self.watched_since = self.mounted_at = self.now

    @property
    def now(self) -> float:
        return self.time.database()

    @property
    def disk(self) -> Path:
        """Where its files lie, mounted or not."""
        return self.mount if self.mounted else self.mount.with_name(f"{self.name}-away")

    @property
    def _late_folder(self) -> Path:
        return self.mount.with_name(f"{self.name}-late")

    @property
    def running(self) -> Prompt | None:
        return next((p for p in self.prompts.values() if p.place == "running"), None)

    @property
    def pending(self) -> list[Prompt]:
        return [p for p in self.prompts.values() if p.place == "pending"]

    @property
    def ended(self) -> list[Prompt]:
        return [p for p in self.prompts.values() if p.place == "history"]

    def submit(self, prompt: Prompt) -> None:
        prompt.place, prompt.gone_at = "pending", None
        self.prompts[prompt.id] = prompt

    def start(self) -> Prompt | None:
        """The next one runs, if the worker lives and is idle."""
        if self.running is not None or not self.pending or not (self.up and self.worker_alive):
            return None
        prompt = self.pending[0]
        prompt.place, prompt.started_at, prompt.last_sign_at = "running", self.now, self.now
        return prompt

    def end(self, prompt: Prompt, outcome: Outcome) -> None:
        """The running prompt saves what it saves, leaves the queue and enters the history."""
        names = self._save(prompt, outcome)
        files = tuple(listed(name) for name in names)
        kinds = {"interrupted": EndKind.INTERRUPTED, "error": EndKind.ERROR}
        failed = outcome in ("error", "out of memory", "interrupted")
        prompt.cached = outcome == "cached"
        prompt.ending = Ending(
            kinds.get(outcome, EndKind.ERROR) if failed else EndKind.SUCCESS,
            Source.HISTORY,
            files=() if failed else files,
            node_id="3" if failed else None,
            exception_type="RuntimeError" if failed else None,
            message="as the script says" if failed else None,
            out_of_memory=outcome == "out of memory",
            cached=prompt.cached,
            started_at=prompt.started_at,
            ended_at=self.now,
        )
        prompt.place, prompt.ended_at = "history", self.now
        self._tell_pack(prompt, names)

    def remove(self, prompt: Prompt) -> None:
        """Somebody deletes it from the queue."""
        self._forget(prompt)
        prompt.removed, prompt.ended_at = True, self.now
        self._tell_pack(prompt, [])

    def evict(self, prompt: Prompt) -> None:
        """Somebody deletes its entry of the history."""
        self._forget(prompt)

    def crash(self, *, saved: bool) -> None:
        """The process dies, before or after the running prompt wrote its file."""
        if self.running is not None:
            self._save(self.running, "sound" if saved else "damaged")
        self.up = False

    def restart(self) -> None:
        """A new process: queue, history and notes are gone."""
        for prompt in self.prompts.values():
            if prompt.place != "nowhere":
                self._forget(prompt)
        self.boot, self.notes, self.worker_alive, self.up = self.boot + 1, [], True, True

    def _forget(self, prompt: Prompt) -> None:
        prompt.place, prompt.gone_at, prompt.gone_looks = "nowhere", self.now, self.looks
        prompt.was_away = True

    def unmount(self) -> None:
        """The directory is empty: that of the mount point."""
        self.mount.rename(self.mount.with_name(f"{self.name}-away"))
        self.mounted = False
        self.mount.mkdir()

    def remount(self) -> None:
        self.mount.rmdir()
        self.disk.rename(self.mount)
        self.mounted, self.mounted_at = True, self.now

    def arrive(self, name: str) -> None:
        """A file that was late is there."""
        self.late.pop(name).rename(self.disk / name)

    def _save(self, prompt: Prompt, outcome: Outcome) -> list[str]:
        mine = [f for f in self.files.values() if f.path.name in self._names_on_disk()]
        if outcome in ("cached", "overwritten") and mine:
            file = mine[-1]
            prompt.files = [file]
            if outcome == "overwritten":
                self._write(prompt, file.path.name, sound=True)
            return [file.path.name]
        if outcome in ("nothing", "error", "out of memory", "interrupted"):
            return []
        names = [f"p{next(self._numbers)}.png" for _ in range(2 if outcome == "two" else 1)]
        for name in names:
            self._write(prompt, name, sound=outcome != "damaged")
            if outcome in ("missing", "late"):
                self.late[name] = (self.disk / name).rename(self._late_folder / name)
            if outcome == "missing":
                self.late.pop(name)
        prompt.files = [self.files[name] for name in names]
        return names

    def _names_on_disk(self) -> set[str]:
        return {path.name for path in self.disk.iterdir()}

    def _write(self, prompt: Prompt, name: str, *, sound: bool) -> None:
        tags = {} if prompt.tag is None else {"job_id": prompt.tag}
        tags |= {"prompt_id": prompt.id} if self.pack else {}
        save_image(self.disk / name, self.now, tags, sound=sound)
        before = self.files.get(name)
        writers = [] if before is None else before.writers
        self.files[name] = File(self.mount / name, sound, self.now, writers)
        if before is not None:  # one file, whoever lists it
            before.sound, before.written_at, self.files[name] = sound, self.now, before
        self.files[name].writers.append(prompt)

    def _tell_pack(self, prompt: Prompt, names: list[str]) -> None:
        if not self.pack:
            return
        kind = EndKind.REMOVED if prompt.removed else prompt.ending.kind  # type: ignore[union-attr]
        self.notes.append(EndedNote(prompt.id, kind, prompt.tag, self.now))
        folders = [self.disk, self._late_folder]
        found = {name: folder for name in names for folder in folders if (folder / name).exists()}
        type_ = "torch.OutOfMemoryError" if prompt.out_of_memory else "RuntimeError"
        error = {"node_id": "3", "exception_type": type_, "message": "as told"}
        told = manifests.manifest(
            prompt.id,
            kind.value,
            at=self.now,
            boot_id=f"{self.name}-{self.boot}",
            job_id=prompt.tag,
            created_at=prompt.created_at,
            started_at=prompt.started_at,
            outputs=[manifests.output(found[name], listed(name)) for name in found],
            cached_nodes=["3", "9"] if prompt.cached else [],
            error=error if kind is EndKind.ERROR else None,
        )
        manifests.write(self.disk, told)

    def queue(self) -> Look:
        """The queue as it is now, without what the pack adds."""
        queued = [self.queued(p) for p in (self.running,) if p is not None]
        return Look(tuple(queued), tuple(map(self.queued, self.pending)))

    def queued(self, prompt: Prompt) -> QueuedPrompt:
        # Without a client id of ours nobody hears its progress but the pack.
        return QueuedPrompt(prompt.id, 1.0, prompt.tag, "somebody", 1, 2, prompt.created_at)

    def entry(self, prompt: Prompt) -> EndedPrompt:
        """Its entry of the history."""
        assert prompt.ending is not None
        return EndedPrompt(self.queued(prompt), prompt.ending)

    def states(self) -> dict[str, RunningState]:
        prompt = self.running
        if prompt is None or prompt.started_at is None or prompt.last_sign_at is None:
            return {}
        ages = (self.now - prompt.started_at, self.now - prompt.last_sign_at)
        return {prompt.id: RunningState(*ages, node_id="3", node_type="KSampler")}
