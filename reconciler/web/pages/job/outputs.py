"""The files of a job, each with what its inspection found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from reconciler.core.evidence import FileState
from reconciler.errors import OutsideOutput
from reconciler.outputs.text import shown_path
from reconciler.settings.server import ServerSettings, stored_path_of
from reconciler.store.file_pages import NamedOutput
from reconciler.store.outputs import OutputRecord
from reconciler.words.media import media_words, proof
from reconciler.words.text import safe

#: Longest sentence about a file that is shown, in characters, and how many of them.
MAX_DETAIL = 500
MOST_DEFECTS = 50
#: Files that are looked through for the main one, by their paths, and those that are shown.
MOST_FILES, MOST_CARDS = 500, 40
#: How a verdict looks: the badge of which status.
_LOOKS = {
    FileState.SOUND: ("completed", "sound"),
    FileState.UNSOUND: ("failed", "unsound"),
    FileState.UNJUDGED: ("warned", "not judged"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect, or a warning, and where in the file it was noticed."""

    kind: str
    detail: str
    #: "byte 48,213, second 3.2"; empty where it is not known.
    where: str = ""


@dataclass(frozen=True, slots=True)
class OutputCard:
    """One file as the page shows it."""

    #: In the paths of the REST interface.
    id: str
    path: str
    name: str
    is_main: bool
    server: str
    #: video, image, audio or unknown.
    media: str
    #: Badge and word of the verdict.
    look: str
    verdict: str
    #: Whether the verdict stands: a damaged file is inspected twice.
    is_confirmed: bool
    #: What speaks for it, or why nothing here can judge it.
    proof: str
    facts: str
    defects: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    size_bytes: int
    inspected_at: float | None


def cards(
    files: Sequence[NamedOutput], main_path: str | None, servers: Iterable[ServerSettings] = ()
) -> list[OutputCard]:
    """The files, the main one first: the one at `main_path`, as applications see it."""
    settings = {server.name: server for server in servers}
    shown = [
        _card(file, is_main=len(files) == 1 or _is_main(file.output, main_path, settings))
        for file in files
    ]
    return sorted(shown, key=lambda card: (not card.is_main, card.path))[:MOST_CARDS]


def _card(file: NamedOutput, *, is_main: bool) -> OutputCard:
    record = file.output
    look, verdict = _LOOKS.get(record.verdict, ("queued", record.verdict.value))
    inspection = record.inspection
    media = inspection.get("media")
    return OutputCard(
        id=file.id,
        path=shown_path(record.path),
        name=shown_path(record.path.name),
        is_main=is_main,
        server=record.server,
        media=media if media in ("video", "image", "audio") else "unknown",
        look=look,
        verdict=verdict,
        is_confirmed=record.confirmed,
        proof=_proof(record),
        facts=media_words(inspection),
        defects=_findings(inspection.get("defects")),
        warnings=_findings(inspection.get("warnings")),
        size_bytes=record.size_bytes,
        inspected_at=record.inspected_at,
    )


def _is_main(
    record: OutputRecord, main_path: str | None, settings: Mapping[str, ServerSettings]
) -> bool:
    """True for the file that the row points at, by the path under which applications see it."""
    server = settings.get(record.server)
    if main_path is None or server is None or server.output_dir is None:
        return False
    if not record.path.is_relative_to(server.output_dir):
        return False
    try:
        inside = PurePosixPath(record.path.relative_to(server.output_dir))
        return stored_path_of(server, inside) == main_path
    except OutsideOutput:
        return False


def _proof(record: OutputRecord) -> str:
    if record.verdict is FileState.UNJUDGED:
        return safe(record.inspection.get("unjudged") or "no decoder", MAX_DETAIL)
    if record.verdict is FileState.SOUND or record.identical_to is not None:
        return proof(record)
    return ""


def _findings(stored: object) -> tuple[Finding, ...]:
    """What an inspection noticed, as far as it fits."""
    listed = stored if isinstance(stored, list) else []
    return tuple(_finding(each) for each in listed[:MOST_DEFECTS] if isinstance(each, dict))


def _finding(stored: Mapping[str, Any]) -> Finding:
    offset, at_s = stored.get("offset"), stored.get("at_s")
    where = [
        f"byte {offset:,}" if isinstance(offset, int) else "",
        f"second {at_s:.1f}" if isinstance(at_s, int | float) else "",
    ]
    return Finding(
        safe(stored.get("kind", ""), 40),
        safe(stored.get("detail", ""), MAX_DETAIL),
        ", ".join(part for part in where if part),
    )
