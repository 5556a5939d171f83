"""The files of a job as evidence: those its prompts list, and those that carry its tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from reconciler.core.attribution import (
    STORAGE_SKEW_S,
    FileFacts,
    How,
    Row,
    Whose,
    began_later,
    whose,
)
from reconciler.core.evidence import EndKind, FileState, ListedFile, OutputFile
from reconciler.core.expectation import Expected
from reconciler.core.expecting import ExpectPolicy
from reconciler.errors import OutputError, OutsideOutput
from reconciler.outputs.expected import told, unmet
from reconciler.outputs.inspection import from_json
from reconciler.outputs.paths import resolve_inside
from reconciler.outputs.siblings import group_of, is_first_frame_alone, main_of
from reconciler.reconcile.as_written import AsWritten
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.expectations import expected_of_main
from reconciler.reconcile.files import Answer
from reconciler.reconcile.servers import WatchedServer
from reconciler.store.outputs import Noted, OutputRecord, OutputStore
from reconciler.store.records import JobRecord, PromptRecord

log = structlog.get_logger(__name__)

#: The defect of a picture that VideoHelperSuite writes before the video it belongs to.
FIRST_FRAME = "the first frame of a video that was never written"

Rows = Mapping[str, Row]


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A file that is the job's by tag, name or its siblings; by what, in words."""

    output: OutputRecord
    prompt_id: str | None
    by: str


@dataclass
class FileEvidence:
    """Builds `OutputFile`s: state on disk, defects in words, what was expected and not met."""

    servers: dict[str, WatchedServer]
    outputs: OutputStore
    clock: DatabaseClock
    #: How expectations are made of what row, prompt and settings say.
    expect: ExpectPolicy
    unsound_confirm_s: float
    #: Believe a job id in a file that names no prompt.
    accept_bare_job_id: bool = True
    #: How long a file may be smaller than its manifest says.
    arrival_grace_s: float = 30.0
    #: Take a sound file that was written to since its manifest as it is.
    accept_rewritten: bool = False

    def listed(self, record: JobRecord, prompt: PromptRecord) -> tuple[OutputFile, ...]:
        """The results that a successful prompt lists. The last video is the main one."""
        ending, server = prompt.ending, self.servers.get(prompt.server or "")
        if ending is None or ending.kind is not EndKind.SUCCESS:
            return ()
        files = [file for file in ending.files if file.type == "output"]
        main = main_of([_relative(file) for file in files])
        node_id = None if main is None else files[main].node_id
        expected = expected_of_main(record, self.expect, ending, node_id)
        # Whatever the main file's saver wrote was meant to be seen; a mask beside it was not.
        beside = Expected(refuse=expected.refuse)
        nothing = Expected()
        found = []
        for n, file in enumerate(files):
            of_saver = beside if file.node_id == node_id else nothing
            wanted = expected if n == main else of_saver
            found.append(self._listed(server, prompt, file, wanted, n == main))
        settled = (FileState.SOUND, FileState.UNJUDGED)
        if server is None or any(file.state not in settled for file in found):
            return tuple(found)
        # Whose they are is asked where all that is left is to say so.
        try:
            paths = [_resolved(server, file) for file in files]
        except OutputError:  # its storage hangs since a moment ago
            return tuple(replace(file, state=FileState.UNSETTLED) for file in found)
        claims = self.outputs.claims(paths)
        return tuple(
            self._whose(file, path, claims[path], prompt, _rows(record)) if path in claims else file
            for file, path in zip(found, paths, strict=True)
        )

    def tagged(self, record: JobRecord, prompts: list[PromptRecord]) -> tuple[OutputFile, ...]:
        """Files that no ending lists, found by the tag inside them, by their name, or as siblings
        of such a file; in the order in which they were written."""
        claimed = ((c, self._server_of(c, prompts)) for c in self._claimed(record, prompts))
        found = [(each, server) for each, server in claimed if server is not None]
        names = [str(each.output.path) for each, _ in found]
        main = main_of(names)
        files = []
        for number, ((each, server), name) in enumerate(zip(found, names, strict=True)):
            answer = self._answer(server, each.output.path)
            shown = server.stored_path(each.output.path)
            is_main = number == main
            wanted = expected_of_main(record, self.expect) if is_main else Expected()
            file = self._file(shown, answer, is_main, None, wanted)
            if is_first_frame_alone(name, names) and file.state is not FileState.ABSENT:
                file = replace(
                    file, state=FileState.UNSOUND, defects=(FIRST_FRAME,), confirmed=True
                )
            files.append(replace(file, prompt_id=each.prompt_id, by=each.by))
        return tuple(files)

    def unread(self, record: JobRecord, prompts: Sequence[PromptRecord]) -> int:
        """Files that were written before one of these prompts was missed first, and after the row,
        and are still to be inspected."""
        missed = [p for p in prompts if p.ending is None and p.missing_since is not None]
        names = {p.server for p in missed}
        until = max((p.missing_since or 0.0 for p in missed), default=0.0)
        return sum(
            server.book.unread(record.created_at - STORAGE_SKEW_S, until)
            for server in self.servers.values()
            if missed and (server.name in names or None in names) and server.storage_answers()
        )

    def of_job(self, record: JobRecord) -> dict[Path, WatchedServer]:
        """Where the files lie that are this job's or may be, of all attempts, and who has them."""
        paths = [path for prompt in record.prompts for path in self._listing(prompt)]
        paths += [each.output.path for each in self._claimed(record, record.prompts)]
        paths += [output.path for output in self.outputs.of_job(record.job.id)]
        owners = ((path, self._owner(path, record)) for path in dict.fromkeys(paths))
        return {path: server for path, server in owners if server is not None}

    def of_record(self, record: JobRecord) -> tuple[OutputFile, ...]:
        """The same files as they are now, the main one of the last success marked, oldest first."""
        listed = [f for prompt in record.attempted for f in self.listed(record, prompt)]
        if listed:
            return tuple(listed)
        if tagged := self.tagged(record, record.attempted):
            return tagged
        found = sorted(self.of_job(record).items(), key=lambda item: str(item[0]))
        return tuple(
            self._file(
                server.stored_path(path), self._answer(server, path), False, None, Expected()
            )
            for path, server in found
        )

    def note_listing(self, prompt: PromptRecord) -> None:
        """Stores which files the prompt's ending lists: what one job lists another may claim."""
        if files := self._listing(prompt):
            self.outputs.note_listing(prompt.prompt_id, files)

    def attribute(self, record: JobRecord) -> None:
        """The job ended: its files are its own, save those that it had from the cache and those
        that another claims with the same right."""
        rows = _rows(record)
        files: dict[Path, str | None] = {}
        for prompt in record.prompts:
            self.note_listing(prompt)  # its ending may be older than the table of listings
            written = [path for path, noted in self._listing(prompt).items() if not noted.reused]
            for path, facts in self.outputs.claims(written).items():
                owner = whose(facts, rows)
                if owner.job_id == record.job.id and owner.how is How.LISTED:
                    files[path] = prompt.prompt_id
        last = record.attempted[-1].prompt_id if record.attempted else None
        for each in self._claimed(record, record.prompts):
            files[each.output.path] = each.prompt_id or last
        if files:
            self.outputs.attribute(files, record.job.id)

    def _server_of(self, claimed: _Claimed, prompts: list[PromptRecord]) -> WatchedServer | None:
        """The server that wrote it: of those that share the directory, that of the job's prompt."""
        return self._at(claimed.output.path, [*(p.server for p in prompts), claimed.output.server])

    def _owner(self, path: Path, record: JobRecord) -> WatchedServer | None:
        return self._at(path, [prompt.server for prompt in record.prompts])

    def _at(self, path: Path, first: Sequence[str | None]) -> WatchedServer | None:
        """A server in whose output directory this path lies; these are asked first."""
        servers = (self.servers[n] for n in (*first, *self.servers) if n in self.servers)
        return next((one for one in servers if path.is_relative_to(one.book.root)), None)

    def _claimed(self, record: JobRecord, prompts: list[PromptRecord]) -> list[_Claimed]:
        """The files that are this job's by their tag or name, through one of these prompts, with
        the siblings that say nothing themselves."""
        outputs = self.outputs.claimed(record.job.id, [prompt.prompt_id for prompt in prompts])
        outputs = [o for o in outputs if o.job_id in (None, record.job.id)]
        claims = self.outputs.claims(output.path for output in outputs) if outputs else {}
        mine = {None, *(prompt.prompt_id for prompt in prompts)}
        found, silent = [], []
        for output in outputs:
            facts = claims[output.path]
            owner = whose(facts, _rows(record), accept_bare=self.accept_bare_job_id)
            by_itself = owner.how is not None and owner.how is not How.LISTED
            if owner.job_id == record.job.id and by_itself and owner.prompt_id in mine:
                found.append(_Claimed(output, owner.prompt_id, f"by {owner.how}"))
            elif owner == Whose() and not facts.listings and output.tag_prompt_id is None:
                silent.append(output)
        groups = {_group(each.output): each for each in found}
        for output in silent:
            if (speaker := groups.get(_group(output) or Path())) is not None:
                by = f"saved along with {speaker.output.path.name}"
                found.append(_Claimed(output, speaker.prompt_id, by))
        return sorted(found, key=lambda each: each.output.mtime_ns)

    def _whose(
        self, file: OutputFile, path: Path, facts: FileFacts, prompt: PromptRecord, rows: Rows
    ) -> OutputFile:
        """The file as it was found, unless another has the better claim, or as good a one."""
        own = next((one for one in facts.listings if one.prompt_id == prompt.prompt_id), None)
        if own is None:
            return file
        owner = whose(facts, rows)
        if owner.job_id == prompt.job_id and not own.reused:
            return file
        if own.reused or began_later(own, facts.changed_at):
            return replace(file, by="from the cache: an earlier prompt's")
        answer = self._answer(self.servers[prompt.server or ""], path)
        # The file will not change; what is claimed of it may, for a while.
        old = answer.record is not None and self._is_old(answer.record)
        defects = (owner.dispute,)
        return replace(file, state=FileState.UNSOUND, defects=defects, confirmed=old)

    def _listing(self, prompt: PromptRecord) -> dict[Path, Noted]:
        """Where the files lie that the prompt's ending lists, as far as they can be ours."""
        ending, server = prompt.ending, self.servers.get(prompt.server or "")
        paths = {}
        if ending is not None and server is not None and server.storage_answers():
            for file in ending.files:
                if file.type == "output":
                    with suppress(OutputError):
                        path = _resolved(server, file)
                        reused = ending.cached or file.reused
                        paths[path] = Noted(reused, file.size_bytes, file.mtime_ns)
        return paths

    def _listed(
        self,
        server: WatchedServer | None,
        prompt: PromptRecord,
        file: ListedFile,
        expected: Expected,
        is_main: bool,
    ) -> OutputFile:
        relative = _relative(file)
        if server is None or not server.storage_answers():
            # The settings name its server no longer, or its storage hangs, and who asks with it.
            return OutputFile(relative, FileState.UNSETTLED, is_main, file.node_id)
        try:
            path = _resolved(server, file)
        except OutsideOutput as error:
            shown = relative
            defects = (f"refused: {error}",)
            return OutputFile(shown, FileState.UNSOUND, is_main, file.node_id, defects, True)
        except OutputError:  # its storage hangs since a moment ago
            return OutputFile(relative, FileState.UNSETTLED, is_main, file.node_id)
        frames = expected.values.frames
        answer = self._answer(server, path, None if frames is None else frames.count)
        found = self._file(server.stored_path(path), answer, is_main, file.node_id, expected)
        if answer.record is None:
            return found
        judged = AsWritten(self.arrival_grace_s, self.accept_rewritten).judge(
            found, file, answer.record, prompt, server.book.digests,
            now=self.clock.now(), old=self._is_old(answer.record),
        )  # fmt: skip
        if judged.identical_by is not None and file.digest is not None:
            server.book.note_identical(answer.record, file.digest)
        return judged

    def _answer(
        self, server: WatchedServer, path: Path, expected_frames: int | None = None
    ) -> Answer:
        if not server.storage_answers():
            return Answer(FileState.UNSETTLED)
        try:
            answer = server.book.look_up(path)
        except OutputError as error:
            log.warning("output not looked at", path=str(path), reason=str(error))
            return Answer(FileState.UNSETTLED, trouble=str(error).removeprefix(f"{path} "))
        if answer.state is FileState.SOUND:
            return answer
        checked = server.book.checked(path, expected_frames)
        return replace(answer, checked=checked, trouble=server.book.trouble(path))

    def _file(
        self,
        shown: str,
        answer: Answer,
        is_main: bool,
        node_id: str | None,
        expected: Expected,
    ) -> OutputFile:
        record, state = answer.record, answer.state
        if record is None:
            return OutputFile(
                shown, state, is_main, node_id, checked=answer.checked, trouble=answer.trouble
            )
        inspection = from_json(record.path, record.inspection)
        defects = tuple(defect.detail for defect in inspection.defects)
        confirmed = record.confirmed
        refused = [w for w in inspection.warnings if w.kind in expected.refuse]
        wrong = (*unmet(inspection, expected.values), *refused)
        if wrong and state in (FileState.SOUND, FileState.UNJUDGED):
            # The file is whole and the same as it was: only its age can still speak for it.
            state, confirmed = FileState.UNSOUND, self._is_old(record)
        defects += tuple(defect.detail for defect in wrong)
        return OutputFile(
            shown,
            state,
            is_main,
            node_id,
            defects,
            confirmed,
            unjudged=inspection.unjudged,
            warnings=tuple(w.detail for w in inspection.warnings if w not in refused),
            expected=told(inspection, expected),
            trouble=answer.trouble,
        )

    def _is_old(self, record: OutputRecord) -> bool:
        inspected_at = record.inspected_at
        return (
            inspected_at is not None and self.clock.now() - inspected_at >= self.unsound_confirm_s
        )


def _resolved(server: WatchedServer, file: ListedFile) -> Path:
    """Raises OutsideOutput, and another OutputError where the storage hangs."""
    root, relative = server.book.root, _relative(file)
    return server.book.storage.ask(lambda: resolve_inside(root, relative))


def _relative(file: ListedFile) -> str:
    """The file's name below the output directory. ComfyUI on Windows joins folders its own way."""
    folder = file.subfolder.replace("\\", "/")
    return f"{folder}/{file.filename}" if folder else file.filename


def _rows(record: JobRecord) -> Rows:
    return {record.job.id: Row(record.created_at, record.job.opened_at)}


def _group(output: OutputRecord) -> Path | None:
    group = group_of(output.path.name)
    return None if group is None else output.path.parent / group
