"""Is the node pack inside a ComfyUI, and what does it tell: version, process, worker."""

from __future__ import annotations

import re
from collections.abc import Iterator

from comfy_node.contract import PACK_VERSION, SNAPSHOT_FORMAT, SNAPSHOT_PATH, TAG_NODE
from reconciler.comfyui.fields import Misshapen
from reconciler.comfyui.snapshot import Snapshot, snapshot_of
from reconciler.comfyui.transport import NoSuchRoute, Transport
from reconciler.doctor.finding import Finding, failed, ok, warning
from reconciler.errors import ServerAnswer, ServerError

#: How often it is asked, over a new connection each time, to see whether it is always the same.
ASKED = 4
_LATER = "run doctor again when ComfyUI is idle"
_INSTALL = "on ComfyUI's machine: `reconciler install-node COMFYUI_DIR`, then restart ComfyUI"
_UPDATE = "update the node pack (`reconciler install-node`, or git pull) and restart ComfyUI"
_WITHOUT = (
    "a restart of ComfyUI, a dead worker and the progress of prompts of other clients cannot be"
    " seen (only the runtime budget ends those that hang), prompts deleted from the queue count as"
    " lost, and one is linked by comfyui_job_id in the row or by a job_id that its submitter puts"
    " into extra_pnginfo"
)


def check_pack(server: str, transport: Transport) -> Iterator[Finding]:
    """What the pack of this server tells, or what is missed without it."""
    what = f"{server}, node pack"
    try:
        answer = transport.get(SNAPSHOT_PATH)
        snapshot = snapshot_of(answer)
    except NoSuchRoute:
        yield _without_snapshot(what, transport)
    except (ServerAnswer, Misshapen) as error:
        advice = f"the log of ComfyUI says why; until then it is as without the pack: {_WITHOUT}"
        yield warning(what, f"it fails: {error}", advice)
    except ServerError as error:
        yield warning(what, f"not known: {error}", _LATER)
    else:
        if snapshot is None:
            yield _other_format(what, answer)
        else:
            yield _told(what, snapshot)
            yield _worker(f"{server}, worker", snapshot)
            yield from _address(f"{server}, address", snapshot, transport)


def _without_snapshot(what: str, transport: Transport) -> Finding:
    try:
        answer = transport.get(f"/object_info/{TAG_NODE}")
    except ServerError as error:
        return warning(what, f"not known: {error}", _LATER)
    if isinstance(answer, dict) and TAG_NODE in answer:
        return warning(
            what, "installed, and older than 0.2.0: it tags prompts and no more", _UPDATE
        )
    return warning(what, f"not installed: {_WITHOUT}", _INSTALL)


def _other_format(what: str, answer: object) -> Finding:
    told = answer.get("format") if isinstance(answer, dict) else None
    if not isinstance(told, int) or isinstance(told, bool):
        advice = f"does another custom node, or a proxy, answer {SNAPSHOT_PATH}?"
        return warning(what, "something answers in its place that is not the pack", advice)
    newer = told > SNAPSHOT_FORMAT
    return warning(
        what,
        f"installed, and {'newer' if newer else 'older'} than this reconciler: it speaks format"
        f" {told:.20g}, and format {SNAPSHOT_FORMAT} is read here; it is as without the pack",
        "update the reconciler" if newer else _UPDATE,
    )


def _told(what: str, snapshot: Snapshot) -> Finding:
    version = snapshot.look.pack or "unknown"
    detail = (
        f"version {version}, boot {snapshot.boot_id[:8]}: it tells of every prompt, whoever"
        " submitted it, of restarts and of its worker"
    )
    theirs, ours = _numbers(version), _numbers(PACK_VERSION)
    if version == PACK_VERSION:
        return ok(what, detail)
    if theirs is None or ours is None:
        return warning(what, f"{detail}; this reconciler is version {PACK_VERSION}", _UPDATE)
    age, advice = ("older", _UPDATE) if theirs < ours else ("newer", "update the reconciler")
    return warning(what, f"{detail}; {age} than this reconciler ({PACK_VERSION})", advice)


def _worker(what: str, snapshot: Snapshot) -> Finding:
    alive = snapshot.look.worker_alive
    if alive is False:
        return failed(
            what,
            "the thread that runs prompts is dead: ComfyUI answers and runs nothing",
            "restart ComfyUI; its log shows what killed the thread (prompt_worker)",
        )
    if alive is None:
        return warning(what, "the pack has not seen the thread that runs prompts yet", _LATER)
    return ok(what, "the thread that runs prompts lives")


def _address(what: str, snapshot: Snapshot, transport: Transport) -> Iterator[Finding]:
    """Only what is wrong: that one process answers is what everybody expects."""
    boots = {snapshot.boot_id}
    for _ in range(ASKED - 1):
        transport.close()  # what stands before several servers gives each connection to one
        try:
            again = snapshot_of(transport.get(SNAPSHOT_PATH))
        except (ServerError, Misshapen):
            return
        boots |= set() if again is None else {again.boot_id}
    if len(boots) > 1:
        yield failed(
            what,
            f"{len(boots)} ComfyUI processes answer in turn behind it: nothing can be concluded"
            " from what they say",
            "give each of them an entry of its own in `servers`, with a url that leads to it alone"
            " (if ComfyUI was restarted just now, run doctor again)",
        )


def _numbers(version: str) -> tuple[int, ...] | None:
    found = re.match(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", version)
    return tuple(map(int, found.groups())) if found else None
