"""Gathers the evidence: where the servers show each prompt, how it ended, what its files are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import attrgetter

import structlog

from reconciler.comfyui.values import EndedPrompt, QueuedPrompt
from reconciler.core.evidence import (
    SHARED,
    Evidence,
    Place,
    PromptEvidence,
)
from reconciler.errors import ServerAnswer, ServerError, StatementRefused
from reconciler.reconcile.boots import restart_proven
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.evidence_files import FileEvidence
from reconciler.reconcile.histories import Histories
from reconciler.reconcile.learning import Learner, nodes_heard
from reconciler.reconcile.linker import Linker
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.looks import Looks
from reconciler.reconcile.manifest_evidence import ManifestEvidence
from reconciler.reconcile.notes import ending_of
from reconciler.reconcile.remit import Remit
from reconciler.reconcile.runs import doing_of, note_run, unwatched_s
from reconciler.reconcile.servers import WatchedServer
from reconciler.reconcile.troubles import Troubles
from reconciler.store import Store
from reconciler.store.records import Event, JobRecord, PromptRecord

log = structlog.get_logger(__name__)

#: All that is known of a prompt: what is compared for each of them in each look.
_values = attrgetter(*PromptRecord.__slots__)


@dataclass
class Gatherer:
    """Turns answers of servers into evidence about jobs, and keeps their clocks."""

    store: Store
    servers: dict[str, WatchedServer]
    clock: DatabaseClock
    live: LiveSigns
    files: FileEvidence
    pool: ThreadPoolExecutor
    #: Since when this reconciler has been watching, by the database's clock.
    watching_since: float
    troubles: Troubles = field(default_factory=Troubles)
    manifests: ManifestEvidence = field(default_factory=ManifestEvidence)
    #: Which jobs are to be judged here, and which by other agents.
    remit: Remit = field(default_factory=Remit)
    #: What this agent's looks at its servers are worth to others.
    looks: Looks = field(default_factory=Looks)
    linker: Linker = field(init=False)
    learner: Learner = field(init=False)
    #: Where each prompt was found last; what was never looked for is unknown.
    _places: dict[str, tuple[Place, int | None]] = field(default_factory=dict)
    #: Prompts about which history says nothing usable: told once.
    _puzzling: set[str] = field(default_factory=set)
    #: Jobs for a server that nobody reconciles: told once.
    _nobodys: set[str] = field(default_factory=set)
    #: What `look` found of the output directory of each server.
    _storage: dict[str, bool] = field(default_factory=dict)
    #: When each server's output directory was found away last, by the database's clock.
    _storage_away_at: dict[str, float] = field(default_factory=dict)
    #: The lives of the processes of servers that others attend to, once they were asked for.
    _lives: frozenset[str] | None = None
    #: The servers that were asked last, whether or not they answered.
    _looked: frozenset[str] = frozenset()
    _histories: Histories = field(init=False)

    def __post_init__(self) -> None:
        self.linker = Linker(self.store, self.servers, self.manifests, self.troubles, self._ending)
        self.learner = Learner(self.store.runs)
        self._histories = Histories(self._note_silence)
        self.manifests.strangers = self._lives_elsewhere

    def note_leap(self, seconds: float) -> None:
        """The database's clock was set: nobody was away for a time that did not pass."""
        log.warning("the database's clock was set, or this machine slept", by_s=round(seconds))
        for server in self.servers.values():
            server.note_leap(seconds)

    def look(self, names: Collection[str]) -> None:
        """Looks at these servers, all at once: a slow one delays the pass by its time-out only."""
        self._storage.clear()
        self._lives = None
        self._histories.forget()
        self._looked = frozenset(names)
        for server in self.servers.values():
            server.fresh = False
        wanted = [self.servers[name] for name in names if name in self.servers]
        list(self.pool.map(self._look, wanted))
        self.looks.answered(server.name for server in wanted if server.fresh)
        changed = [server for server in wanted if server.fresh or server.changed]
        if changed:
            self.store.servers.save(server.record for server in changed)
        for server in changed:
            server.changed = False

    def _look(self, server: WatchedServer) -> None:
        server.look(self.clock.now)
        if server.fresh:
            for prompt_id, state in server.queue.states.items():
                self.live.shown(prompt_id, state)

    def link(self, records: Iterable[JobRecord], *, search_history: bool) -> None:
        """Links prompts to jobs (see `Linker.link`), and forgets what others left behind."""
        by_id = {record.job.id: record for record in records}
        linked = {p.prompt_id for record in by_id.values() for p in record.prompts}
        self._places = {key: self._places[key] for key in linked & self._places.keys()}
        self._puzzling &= linked
        self.manifests.keep(linked)
        self.remit.forget(linked)
        self.looks.forget(linked)
        self._note_nobodys(by_id)
        self.linker.link(by_id, linked, looked=self._looked, search_history=search_history)

    def _note_nobodys(self, by_id: dict[str, JobRecord]) -> None:
        """Says in the story of a job that its row names a server that no agent has ever had."""
        self._nobodys &= by_id.keys()
        for record in by_id.values():
            name = record.row_server
            if name is None or record.job.id in self._nobodys or not self.remit.unknown:
                continue
            if name not in self.servers and not self.remit.is_others(name):
                words = f"its row names server {name!r}, which nobody reconciles: nobody is asked"
                self._nobodys.add(record.job.id)
                with self.troubles.apart(record.job.id):
                    self.store.jobs.note(record.job, Event("note", words))

    def shows(self, prompt_id: str | None) -> bool:
        """True where a server had this prompt in its queue when it was looked at last."""
        return prompt_id is not None and any(
            server.find(prompt_id)[2] is not None for server in self.servers.values()
        )

    def waits_at(self, record: JobRecord) -> int | None:
        """Where the only prompt of a job waits, by the last look at the server that its state
        names; None where there is anything else to say about it."""
        prompts = record.attempted
        if len(prompts) != 1:
            return None
        (prompt,) = prompts
        place, position = self._place_of(prompt)
        server = self.servers.get(prompt.server or "")
        if place is not Place.PENDING or prompt.ending is not None or server is None:
            return None
        named = record.row_prompt_id == prompt.prompt_id or not record.takes_prompt_id
        known = named and record.server == prompt.server
        return position if known and not server.worker_dead else None

    def place(self, records: Iterable[JobRecord], *, ask_history: bool = True) -> None:
        """Finds every prompt without an ending, and stores what changed. Prompts on others' servers
        are for them to find, also where the job is ours."""
        judged = list(records)
        if ask_history:
            self._prepare_histories(judged)
        if self.looks.due:
            judged.sort(key=lambda record: self.looks.turn_of(p.prompt_id for p in record.prompts))
        changed: list[PromptRecord] = []
        for record in judged:
            for prompt in record.attempted:
                if self.remit.is_others(prompt.server):
                    continue
                with self.troubles.apart(record.job.id):
                    if self._place(record, prompt, ask_history):
                        # First: of an ending that is known already it would not be stored again.
                        self.files.note_listing(prompt)
                        changed.append(prompt)
        if changed:
            self._save(changed)

    def _save(self, changed: list[PromptRecord]) -> None:
        """Stores what is known of prompts. What Postgres refuses of one holds up no other."""
        runs = self.learner.noted()
        try:
            self.store.jobs.save_prompts(changed, runs)
        except StatementRefused:
            for prompt in changed:
                with self.troubles.apart(prompt.job_id):
                    self.store.jobs.save_prompts([prompt])
            for run in runs:
                with self.troubles.apart(run.job_id):
                    self.store.jobs.save_prompts([], [run])
        self.learner.stored()

    def _prepare_histories(self, records: list[JobRecord]) -> None:
        """Many prompts that no queue shows are asked for together."""
        fresh = {server.name: server for server in self.servers.values() if server.fresh}
        shown = {prompt.prompt_id for server in fresh.values() for prompt in server.queue}
        missing: dict[str, list[str]] = {name: [] for name in fresh}
        for record in records if fresh else ():
            for prompt in record.attempted:
                if prompt.ending is not None or prompt.prompt_id in shown:
                    continue
                if not self.remit.is_others(prompt.server):
                    for server in self._candidates(record, prompt):
                        if server.fresh:
                            missing[server.name].append(prompt.prompt_id)
        for name, prompt_ids in missing.items():
            self._histories.prepare(fresh[name], prompt_ids)

    def evidence(self, record: JobRecord) -> Evidence:
        """All that is known about a job now."""
        prompts = record.attempted
        evidence = tuple(self._prompt_evidence(record, prompt) for prompt in prompts)
        since, how = self._unreachable(record, prompts)
        absent = any(p.place is Place.ABSENT and p.ending is None for p in evidence)
        # Only storage that is there AFTER files were looked for says that they are missing. Where
        # none was looked for, since the prompts wait or run, one question for each look will do.
        by_files = absent or any(p.ending is not None for p in evidence)
        return Evidence(
            prompts=evidence,
            tagged_outputs=self.files.tagged(record, prompts) if absent else (),
            unread=self.files.unread(record, prompts) if absent else 0,
            storage_healthy=self._storage_healthy(prompts, again=by_files),
            unreachable_since=since,
            unreachable_how=how,
            watching_since=self._watching_since(prompts),
        )

    def _place(self, record: JobRecord, prompt: PromptRecord, ask_history: bool) -> bool:
        """Finds one prompt; True if its record changed."""
        if prompt.ending is not None:
            return self._place_ended(record, prompt, ask_history)
        candidates = self._candidates(record, prompt)
        for server in candidates:
            place, position, found = server.find(prompt.prompt_id)
            if found is not None and server.fresh:
                return self._found(prompt, server, place, position, found)
        return self._ask_history(record, prompt, candidates) if ask_history else False

    def _place_ended(self, record: JobRecord, prompt: PromptRecord, ask_history: bool) -> bool:
        """An ending stands, unless the prompt's id was used again for a later run."""
        for server in self.servers.values():
            place, position, found = server.find(prompt.prompt_id)
            if found is not None and server.fresh:
                self.store.jobs.forget_ending(prompt)
                prompt.ending = prompt.ending_seen_at = prompt.running_since = None
                prompt.interrupted_by_us = False
                return self._found(prompt, server, place, position, found)
        news = ask_history and self._know_more(record, prompt)
        return self._note_ending_seen(prompt) or news

    def _know_more(self, record: JobRecord, prompt: PromptRecord) -> bool:
        """Takes over what history or a manifest adds to a known ending. True if anything."""
        server = self.servers.get(prompt.server or "")
        if server is None:
            return False
        unseen = prompt.ending_seen_at is None
        ended_anew = unseen and self._ended_anew(record, prompt, server)
        return self.manifests.complete_later(record, prompt, server) or ended_anew

    def _ended_anew(self, record: JobRecord, prompt: PromptRecord, server: WatchedServer) -> bool:
        """True where history, or else a manifest, now tells of another ending than we know."""
        ended = self._ending(server, prompt) if server.fresh else None
        if isinstance(ended, EndedPrompt):
            ended = self.manifests.completed(record, prompt, server, ended)
        elif server.name in self._looked:
            ended = self.manifests.later_ending(record, prompt, server)
        if not isinstance(ended, EndedPrompt) or ended.ending == prompt.ending:
            return False
        prompt.ending = ended.ending
        return True

    def _found(
        self,
        prompt: PromptRecord,
        server: WatchedServer,
        place: Place,
        position: int | None,
        found: QueuedPrompt,
    ) -> bool:
        self._places[prompt.prompt_id] = (place, position)
        before = _values(prompt)
        if note_run(prompt, server, place, self.clock.now()):
            self.live.forget(prompt.prompt_id)
        prompt.server, prompt.ever_seen = server.name, True
        prompt.client_id = found.client_id or prompt.client_id
        prompt.output_nodes = found.output_nodes or prompt.output_nodes
        prompt.missing_looks, prompt.missing_since = 0, None
        prompt.boot_id, prompt.boot_changed_since = server.queue.boot_id, None
        self.manifests.lives(prompt.prompt_id, self.clock.now())
        self._hear(prompt, found)
        return _values(prompt) != before

    def _ask_history(
        self, record: JobRecord, prompt: PromptRecord, candidates: list[WatchedServer]
    ) -> bool:
        """The queue, read before, does not show it: only now history can tell how it ended.

        It is absent only where every server that could know it was asked and answered; as long as
        some were not asked it is where it was.
        """
        asked = [server for server in candidates if server.fresh]
        if not self._histories.may_ask(asked, prompt.prompt_id):
            for server in asked if prompt.server not in self.servers else ():
                self.looks.postpone(server.name, prompt.prompt_id)
            return False
        clean = True
        for server in asked:
            answer = self._ending(server, prompt)
            if isinstance(answer, EndedPrompt):
                ended = self.manifests.completed(record, prompt, server, answer)
                self._end(record, prompt, server, ended)
                return True
            clean &= answer is Place.ABSENT
            if prompt.server not in self.servers:
                self.looks.asked(server.name, prompt.prompt_id)
        if self._ask_pack(record, prompt, candidates):
            return True
        if not clean or any(s.says_nothing for s in candidates):
            self._places[prompt.prompt_id] = (Place.UNKNOWN, None)
        elif len(asked) == len(candidates) and self._counts(record, prompt):
            self._places[prompt.prompt_id] = (Place.ABSENT, None)
            prompt.missing_looks += 1
            prompt.missing_since = prompt.missing_since or self.clock.now()
            restarted = any(restart_proven(s.record, prompt.boot_id) for s in candidates)
            since = prompt.boot_changed_since or self.clock.now()
            prompt.boot_changed_since = since if restarted else None
            return True
        return False

    def _ask_pack(
        self, record: JobRecord, prompt: PromptRecord, candidates: list[WatchedServer]
    ) -> bool:
        """History tells nothing: the node pack may, by a manifest, which outlives ComfyUI, or
        else by a note. True if it does."""
        for server in candidates:
            asked = server.name in self._looked and (
                prompt.server is not None
                or self.manifests.wrote(server, prompt.prompt_id, self.servers.values())
            )
            ended = self.manifests.ending(record, prompt, server) if asked else None
            ended = ended or self._noted(prompt, server)
            if ended is not None:
                self._end(record, prompt, server, ended)
                return True
        return False

    def _lives_elsewhere(self) -> frozenset[str]:
        if self._lives is None:
            others = self.store.servers.all() if self.remit.others else []
            self._lives = frozenset(
                boot_id
                for one in others
                if one.name not in self.servers
                for boot_id in (one.boot_id, *one.earlier_boot_ids)
                if boot_id is not None
            )
        return self._lives

    def _noted(self, prompt: PromptRecord, server: WatchedServer) -> EndedPrompt | None:
        """The end that the node pack told of, where nothing tells more."""
        note = server.notes.of(prompt.prompt_id) if server.fresh else None
        ending = ending_of(note) if note is not None else None
        return None if ending is None else EndedPrompt(QueuedPrompt(prompt.prompt_id, 0.0), ending)

    def _ending(self, server: WatchedServer, prompt: PromptRecord) -> EndedPrompt | Place:
        """What the server's history says of a prompt: absent, or unknown for want of an answer."""
        if (known := self._histories.answer(server, prompt.prompt_id)) is not None:
            return known
        try:
            return self._histories.ask(server, prompt.prompt_id) or Place.ABSENT
        except ServerAnswer as error:
            self.looks.left_open(server.name)
            # It answers others: one entry that it cannot tell must not make the server silent.
            if prompt.prompt_id not in self._puzzling:
                log.warning("history tells nothing usable", job=prompt.job_id, reason=str(error))
            self._puzzling.add(prompt.prompt_id)
        except ServerError as error:
            self._note_silence(server, error)
        return Place.UNKNOWN

    def _note_silence(self, server: WatchedServer, error: ServerError) -> None:
        self.looks.left_open(server.name)
        server.note_failure(error, self.clock.now())

    def _end(
        self, record: JobRecord, prompt: PromptRecord, server: WatchedServer, ended: EndedPrompt
    ) -> None:
        prompt.server, prompt.ever_seen, prompt.ending = server.name, True, ended.ending
        prompt.output_nodes = ended.prompt.output_nodes or prompt.output_nodes
        prompt.missing_looks, prompt.missing_since = 0, None
        self._note_ending_seen(prompt)
        self._places.pop(prompt.prompt_id, None)
        heard = nodes_heard(self.live.of(prompt.prompt_id), self.live.now())
        self.learner.note(record, prompt, ended, heard, self.clock.now())
        self.live.forget(prompt.prompt_id)
        self.manifests.ended(prompt.prompt_id)
        self.linker.follow(record, server, ended)

    def _note_ending_seen(self, prompt: PromptRecord) -> bool:
        """The clock of missing files starts when the storage is found healthy, and anew when it
        was away: it may need a moment to show all its files again."""
        healthy = self._storage_healthy([prompt])
        if healthy is (prompt.ending_seen_at is not None):
            return False
        prompt.ending_seen_at = self.clock.now() if healthy else None
        return True

    def _hear(self, prompt: PromptRecord, found: QueuedPrompt) -> None:
        """Takes over the signs of life that were heard since the last look."""
        signs = [prompt.last_sign_at] if prompt.last_sign_at is not None else []
        heard = self.live.of(prompt.prompt_id)
        if heard is not None:
            signs.append(self.clock.at(heard.last_sign_at))
        prompt.doing = doing_of(heard, found, prompt.doing)
        server = self.servers.get(prompt.server or "")
        grown = self.live.growth_of(prompt.server or "")
        # A growing file is a sign of the prompt that runs alone: nobody else writes it.
        if grown is not None and server is not None and server.runs_only(prompt.prompt_id):
            signs.append(self.clock.at(grown))
        prompt.last_sign_at = max(signs, default=None)

    def _candidates(self, record: JobRecord, prompt: PromptRecord) -> list[WatchedServer]:
        """The prompt's server; else the one that the row names, and no other; else every one."""
        known = self.servers.get(prompt.server or "")
        if known is None and prompt.server is None and record.row_server is not None:
            known = self.servers.get(record.row_server)
            return [] if known is None else [known]
        return [known] if known is not None else list(self.servers.values())

    def _counts(self, record: JobRecord, prompt: PromptRecord) -> bool:
        """True where a clean look at all candidates that does not show the prompt says something:
        not while other agents may find it on their servers. Who has no server goes by theirs."""
        if prompt.server in self.servers or record.row_server in self.servers:
            return True
        somebody_looks = bool(self.servers) or self.remit.others_look
        is_nobodys = prompt.server is None and record.row_server is not None
        return somebody_looks and not is_nobodys and self.remit.counts(prompt, self.clock.now())

    def _watching_since(self, prompts: list[PromptRecord]) -> float:
        """Since when somebody here has watched all the servers of these prompts."""
        servers = [self.servers[p.server] for p in prompts if p.server in self.servers]
        return max([self.watching_since, *(server.begun_at for server in servers)])

    def _prompt_evidence(self, record: JobRecord, prompt: PromptRecord) -> PromptEvidence:
        place, position = self._place_of(prompt)
        server = self.servers.get(prompt.server or "")
        note = server.notes.of(prompt.prompt_id) if server is not None else None
        return PromptEvidence(
            prompt_id=prompt.prompt_id,
            place=place,
            server=prompt.server,
            position=position,
            ever_seen=prompt.ever_seen,
            ending=prompt.ending,
            ending_seen_at=prompt.ending_seen_at,
            outputs=self.files.listed(record, prompt),
            running_since=prompt.running_since,
            unwatched_s=unwatched_s(prompt, server),
            doing=prompt.doing,
            last_sign_at=prompt.last_sign_at,
            witness_since=self._witness_since(prompt),
            missing_looks=prompt.missing_looks,
            missing_since=prompt.missing_since,
            boot_changed_since=prompt.boot_changed_since,
            worker_dead=server is not None and server.worker_dead,
            noted=note.kind if note is not None and prompt.ending is None else None,
            noted_at=note.at if note is not None and prompt.ending is None else None,
            interrupted_by_us=prompt.interrupted_by_us,
            output_nodes=prompt.output_nodes,
        )

    def _place_of(self, prompt: PromptRecord) -> tuple[Place, int | None]:
        if self.remit.is_others(prompt.server):  # what its agent stored
            absent, runs = prompt.missing_looks > 0, prompt.running_since is not None
            place = Place.ABSENT if absent else Place.RUNNING if runs else Place.UNKNOWN
            return place, None
        return self._places.get(prompt.prompt_id, (Place.UNKNOWN, None))

    def _witness_since(self, prompt: PromptRecord) -> float | None:
        """Since when somebody would have told us of this prompt's progress.

        The node pack tells of every prompt, in each snapshot. ComfyUI's websocket sends progress
        to the client that submitted the prompt, and to everybody where it did so without an id.
        """
        server = self.servers.get(prompt.server or "")
        if server is None:
            return None
        since = [] if server.told_since is None else [server.told_since]
        if prompt.client_id in (None, server.client_id):
            heard_since = server.listening_since()
            since += [] if heard_since is None else [self.clock.at(heard_since)]
        if not since:
            return None
        # An outage, or storage that was away: what happened meanwhile was heard by nobody.
        gaps = [server.watched_since, self._storage_away_at.get(server.name)]
        return max([min(since), *(gap for gap in gaps if gap is not None)])

    def _unreachable(
        self, record: JobRecord, prompts: list[PromptRecord]
    ) -> tuple[float | None, str | None]:
        """Since when, and how, none of the servers that could know the job has answered."""
        open_prompts = [p for p in prompts if p.ending is None and p.server in self.servers]
        nowhere = [p for p in open_prompts if self._place_of(p)[0] is Place.UNKNOWN]
        # One that is absent from a server that answers does not hide that another is down.
        names = {p.server for p in nowhere or open_prompts} or {
            name for name in [record.row_server] if name in self.servers
        }
        asked = [self.servers[name] for name in names if name] or list(self.servers.values())
        down = [silence for server in asked if (silence := server.says_nothing) is not None]
        if not asked or len(down) < len(asked):
            return None, None
        # A server that answers, if for nothing, is not down: no limit is to trip on it.
        since, how = max(down, key=lambda silence: (silence[1] == SHARED, silence[0]))
        # Nor where another agent's server may know the prompt: that ours are silent ends nothing.
        elsewhere = not names and self.remit.others_look
        return (self.clock.now() if elsewhere else since), how

    def _storage_healthy(self, prompts: list[PromptRecord], *, again: bool = True) -> bool:
        """Whether the output directories are there; once for each look is enough if not `again`."""
        names = {prompt.server for prompt in prompts if prompt.server in self.servers}
        asked = [self.servers[name] for name in names if name] or list(self.servers.values())
        for server in asked:
            if again or server.name not in self._storage:
                self._storage[server.name] = server.storage_healthy(self.store.outputs.of_server)
            if not self._storage[server.name]:
                self._storage_away_at[server.name] = self.clock.now()
        return all(self._storage[server.name] for server in asked)
