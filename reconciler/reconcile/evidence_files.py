"""The files of a job as evidence: those its prompts list, and those that carry its tag."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from reconciler.core.evidence import EndKind, FileState, ListedFile, OutputFile
from reconciler.core.jobs import Job
from reconciler.errors import OutputError, OutsideOutput
from reconciler.outputs.inspection import check_frames
from reconciler.outputs.paths import resolve_inside
from reconciler.outputs.scan import VIDEO_SUFFIXES
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.files import Answer, inspection_from_json
from reconciler.reconcile.servers import WatchedServer
from reconciler.store.outputs import OutputRecord, OutputStore
from reconciler.store.records import JobRecord, PromptRecord

log = structlog.get_logger(__name__)


@dataclass
class FileEvidence:
    """Builds `OutputFile`s: state on disk, defects in words, what was expected and not met."""

    servers: dict[str, WatchedServer]
    outputs: OutputStore
    clock: DatabaseClock
    frame_tolerance: int
    unsound_confirm_s: float
    #: Believe a job id in a file that names no prompt.
    accept_bare_job_id: bool = True

    def listed(self, record: JobRecord, prompt: PromptRecord) -> tuple[OutputFile, ...]:
        """The results that a successful prompt lists. The main one is the last video, else the
        first file: a workflow saves its stills first and its finished video last."""
        ending, server = prompt.ending, self.servers.get(prompt.server or "")
        if ending is None or ending.kind is not EndKind.SUCCESS:
            return ()
        files = [file for file in ending.files if file.type == "output"]
        videos = [file for file in files if _is_video(file)]
        main = videos[-1] if videos else next(iter(files), None)
        return tuple(self._listed(record.job, server, file, file is main) for file in files)

    def tagged(self, record: JobRecord, prompts: list[PromptRecord]) -> tuple[OutputFile, ...]:
        """Files that no ending lists, whose tag names this job and a prompt that is linked to it.

        A bare job id is weaker: serial ids repeat between databases. It counts, if at all, for a
        file that is nobody else's and younger than the row.
        """
        found = self._tagged(record.job, prompts)
        main = next((o for o in reversed(found) if o.inspection.get("media") == "video"), None)
        files = []
        for output in found:
            server = self.servers.get(output.server)
            if server is not None:
                is_main = output is main or (main is None and output is found[0])
                answer = self._answer(server, output.path)
                shown = server.stored_path(output.path)
                file = self._file(record.job, shown, answer, is_main, None)
                files.append(replace(file, prompt_id=output.tag_prompt_id))
        return tuple(files)

    def attribute(self, record: JobRecord) -> None:
        """The job completed: its files are its own, save those that it had from the cache."""
        prompts = record.attempted
        for prompt in prompts:
            if prompt.ending is None or not prompt.ending.cached:
                for path in self._paths(prompt):
                    self.outputs.attribute(path, record.job.id, prompt.prompt_id)
        for output in self._tagged(record.job, prompts):
            prompt_id = output.tag_prompt_id or prompts[-1].prompt_id
            self.outputs.attribute(output.path, record.job.id, prompt_id)

    def _tagged(self, job: Job, prompts: list[PromptRecord]) -> list[OutputRecord]:
        mine = {prompt.prompt_id for prompt in prompts}
        explained = {path for prompt in prompts for path in self._paths(prompt)}
        return [
            output
            for output in self.outputs.tagged([job.id])
            if output.path not in explained
            and (output.tag_prompt_id in mine or self._may_be_bare(job, output))
        ]

    def _may_be_bare(self, job: Job, output: OutputRecord) -> bool:
        return (
            self.accept_bare_job_id
            and output.tag_prompt_id is None
            and output.job_id in (None, job.id)
            and output.mtime_ns / 1e9 >= job.opened_at
        )

    def _paths(self, prompt: PromptRecord) -> list[Path]:
        """Where the files lie that the prompt's ending lists, as far as they can be ours."""
        ending, server = prompt.ending, self.servers.get(prompt.server or "")
        paths = []
        if ending is not None and server is not None and server.storage_answers():
            for file in ending.files:
                if file.type == "output":
                    with suppress(OutsideOutput):
                        paths.append(resolve_inside(server.book.root, _relative(file)))
        return paths

    def _listed(
        self, job: Job, server: WatchedServer | None, file: ListedFile, is_main: bool
    ) -> OutputFile:
        relative = _relative(file)
        if server is None or not server.storage_answers():
            # The settings name its server no longer, or its storage hangs, and who asks with it.
            return OutputFile(relative, FileState.UNSETTLED, is_main, file.node_id)
        try:
            path = resolve_inside(server.book.root, relative)
        except OutsideOutput as error:
            shown = relative
            defects = (f"refused: {error}",)
            return OutputFile(shown, FileState.UNSOUND, is_main, file.node_id, defects, True)
        answer = self._answer(server, path)
        return self._file(job, server.stored_path(path), answer, is_main, file.node_id)

    def _answer(self, server: WatchedServer, path: Path) -> Answer:
        if not server.storage_answers():
            return Answer(FileState.UNSETTLED)
        try:
            return server.book.look_up(path)
        except OutputError as error:
            log.warning("output not looked at", path=str(path), reason=str(error))
            return Answer(FileState.UNSETTLED)

    def _file(
        self, job: Job, shown: str, answer: Answer, is_main: bool, node_id: str | None
    ) -> OutputFile:
        record, state = answer.record, answer.state
        if record is None:
            return OutputFile(shown, state, is_main, node_id)
        inspection = inspection_from_json(record.path, record.inspection)
        defects = tuple(defect.detail for defect in inspection.defects)
        confirmed = record.confirmed
        unmet = check_frames(inspection, job.frames if is_main else None, self.frame_tolerance)
        if unmet and state is FileState.SOUND:
            # The file is whole and the same as it was: only its age can still speak for it.
            state, confirmed = FileState.UNSOUND, self._is_old(record)
        defects += tuple(defect.detail for defect in unmet)
        return OutputFile(shown, state, is_main, node_id, defects, confirmed)

    def _is_old(self, record: OutputRecord) -> bool:
        inspected_at = record.inspected_at
        return (
            inspected_at is not None and self.clock.now() - inspected_at >= self.unsound_confirm_s
        )


def _relative(file: ListedFile) -> str:
    """The file's name below the output directory. ComfyUI on Windows joins folders its own way."""
    folder = file.subfolder.replace("\\", "/")
    return f"{folder}/{file.filename}" if folder else file.filename


def _is_video(file: ListedFile) -> bool:
    return Path(file.filename).suffix.lower() in VIDEO_SUFFIXES
