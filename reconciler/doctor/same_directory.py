"""Is our output directory the one that ComfyUI writes to?

The proof is a file: history lists it, it lies here, and it was written while its prompt ran. A name
alone proves little, since every directory of ComfyUI's has a `ComfyUI_00001_.png`. The command line
of the server is a hint, for it names a path in the server's own file system.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from reconciler.comfyui.values import EndedPrompt, ServerInfo
from reconciler.core.evidence import EndKind
from reconciler.doctor.finding import Finding, failed, ok, warning
from reconciler.errors import OutsideOutput, ServerError
from reconciler.outputs.paths import resolve_inside
from reconciler.outputs.scan import look_at
from reconciler.outputs.text import printable, shown_path
from reconciler.service.attending import client_of
from reconciler.settings import ServerSettings, Settings

#: How far the clocks of ComfyUI's host and of the storage may be apart, in seconds.
CLOCK_SLACK_S = 120.0
#: How many prompts of the history are asked for, and files looked for.
RECENT, FILES = 30, 20
_RUN_ONE = "run a prompt that saves a file, then doctor again"


@dataclass(frozen=True, slots=True)
class Sighting:
    """An output that history lists, and what lies at its place here. Times: seconds since 1970."""

    name: str
    #: None: nothing lies there.
    mtime: float | None
    readable: bool = True
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def is_proof(self) -> bool:
        """True for a file that was written while its prompt ran."""
        return self.mtime is not None and self.seconds_off == 0

    @property
    def seconds_off(self) -> float | None:
        """By how much it was written before (negative) or after its prompt ran; None: unknown."""
        if self.mtime is None or self.started_at is None or self.ended_at is None:
            return None
        if self.mtime < self.started_at - CLOCK_SLACK_S:
            return self.mtime - self.started_at
        return max(0.0, self.mtime - self.ended_at - CLOCK_SLACK_S)


@dataclass(frozen=True, slots=True)
class Hint:
    """What the server's command line says about its output directory."""

    #: In the server's own file system; None where it uses its default.
    path: str | None
    #: It leads to our directory.
    is_ours: bool = False
    #: The server is on this host, and the path is another directory that exists here.
    is_another: bool = False


def check_same_directory(
    settings: Settings, server: ServerSettings, root: Path
) -> Iterator[Finding]:
    """Looks for the newest files of the server's history in `root`."""
    what = f"{server.name}, ComfyUI's files"
    with closing(client_of(settings, server)) as client:
        try:
            info = client.info()
            recent = client.recent(RECENT)
        except ServerError:
            advice = "first let the server answer, then run doctor again"
            yield warning(what, "not known yet: the server does not answer", advice)
            return
    sightings = list(islice(_sightings(root, reversed(recent)), FILES))
    yield judge_sightings(what, root, sightings, hint_of(info, server.url, root))


def hint_of(info: ServerInfo, url: str, root: Path) -> Hint:
    """The server's word against our directory. The same path on another host says nothing."""
    path = info.output_dir
    if path is None or not os.path.isabs(path) or not _is_here(url):
        return Hint(path)
    try:
        is_ours = os.path.samefile(path, root)
    except OSError:
        return Hint(path)
    return Hint(path, is_ours, is_another=not is_ours)


def _is_here(url: str) -> bool:
    """Whether the address is one of this machine's own. A container there sees other files."""
    host = urlsplit(url).hostname or ""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
        if all(ip_address(address).is_loopback for address in found):
            return True
        own = {address.address for each in psutil.net_if_addrs().values() for address in each}
    except (OSError, ValueError):
        return False
    return found <= own


def _sightings(root: Path, newest_first: Iterable[EndedPrompt]) -> Iterator[Sighting]:
    """The outputs of prompts that wrote them: a cached one lists an earlier prompt's files."""
    for ended in newest_first:
        ending = ended.ending
        if ending.kind is not EndKind.SUCCESS or ending.cached:
            continue
        for file in ending.files:
            if file.type == "output" and file.node_id not in ended.reused_nodes:
                name = f"{file.subfolder}/{file.filename}" if file.subfolder else file.filename
                yield _look(root, name, ending.started_at, ending.ended_at)


def _look(root: Path, name: str, started_at: float | None, ended_at: float | None) -> Sighting:
    try:
        path = resolve_inside(root, name)
    except OutsideOutput:
        return Sighting(printable(name), None)
    fact = look_at(path)
    mtime = None if fact is None else fact.mtime_ns / 1e9
    readable = fact is None or os.access(path, os.R_OK)
    return Sighting(printable(name), mtime, readable, started_at, ended_at)


def judge_sightings(what: str, root: Path, sightings: list[Sighting], hint: Hint) -> Finding:
    """The verdict, and by which proof."""
    here = [sighting for sighting in sightings if sighting.mtime is not None]
    proof = next((sighting for sighting in here if sighting.is_proof), None)
    if proof is not None:
        if proof.readable:
            return ok(
                what,
                f"proven: {proof.name} of history lies here, written while its prompt ran",
            )
        advice = "run the reconciler as ComfyUI's user, or as a member of the files' group"
        return failed(what, f"{proof.name} lies here and may not be read by this user", advice)
    if here:
        return _of_another_age(what, here[0], hint)
    if sightings:
        return _absent(what, root, sightings, hint)
    return _by_hint(what, hint)


def _of_another_age(what: str, sighting: Sighting, hint: Hint) -> Finding:
    off_s = sighting.seconds_off
    if off_s is None:
        detail = f"{sighting.name}, which history lists without times, lies here"
        return ok(what, detail) if hint.is_ours else warning(what, f"likely: {detail}", _RUN_ONE)
    apart = timedelta(seconds=round(abs(off_s)))
    way = "before" if off_s < 0 else "after"
    return warning(
        what,
        f"doubtful: {sighting.name}, which history lists, lies here but was written {apart} {way}"
        " its prompt ran",
        "see whether output_dir is that server's own; where files are copied here, keep their"
        " times (rsync --times)",
    )


def _absent(what: str, root: Path, sightings: list[Sighting], hint: Hint) -> Finding:
    newest = f"{len(sightings)} files that history lists, {sightings[0].name} the newest"
    if hint.is_ours:
        return warning(
            what,
            f"the server's command line names this directory, but none is here of {newest}",
            f"if they were moved or deleted, all is well: {_RUN_ONE}",
        )
    said = "" if hint.path is None else f" (its command line says {printable(hint.path)})"
    return failed(
        what,
        f"another directory: in {shown_path(root)} is none of {newest}",
        f"set output_dir to where ComfyUI writes{said}, as this machine sees it; if they were"
        f" moved or deleted, {_RUN_ONE}",
    )


def _by_hint(what: str, hint: Hint) -> Finding:
    if hint.is_ours:
        return ok(what, "the server's command line names this directory; no file proves it yet")
    if hint.is_another:
        path = printable(hint.path or "")
        return failed(
            what,
            f"another directory: the server's command line says {path}",
            f"set output_dir to {path}; or, if ComfyUI runs in a container, {_RUN_ONE}",
        )
    said = "does not say" if hint.path is None else f"says {printable(hint.path)}, as it sees it"
    return warning(
        what, f"not known yet: history lists no file, and the command line {said}", _RUN_ONE
    )
