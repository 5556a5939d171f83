"""The run of a prompt: when it began, what of it nobody watched, and what it did last.

The same prompt id can run twice: ComfyUI was restarted and the client submitted it again. A run is
a new one where the prompt was waiting or missing in between, another process runs it, or the node
pack tells that it began later. Where nothing tells, it is taken for the old one.
"""

from __future__ import annotations

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.evidence import Doing, Place
from reconciler.reconcile.live import Heard
from reconciler.reconcile.servers import WatchedServer
from reconciler.store.records import PromptRecord

#: A run that is younger than ours by no more than this is the same, in seconds.
_SAME_S = 60.0


def note_run(prompt: PromptRecord, server: WatchedServer, place: Place, now: float) -> bool:
    """Starts the clocks of a prompt that was just found, `now` by the database's clock.

    To be called before the record is told where it was found. True where what was heard of it
    before is of another run.
    """
    before = prompt.running_since
    if place is not Place.RUNNING:
        prompt.running_since = None
        return before is not None
    if before is not None and not _is_another(prompt, server, before, now):
        return False
    prompt.running_since, prompt.unwatched_before_s = now, server.record.unwatched_s
    prompt.last_sign_at = prompt.doing = None
    return before is not None


def unwatched_s(prompt: PromptRecord, server: WatchedServer | None) -> float:
    """Seconds of the prompt's run in which nobody watched it."""
    if server is None or prompt.running_since is None:
        return 0.0
    return max(server.record.unwatched_s - prompt.unwatched_before_s, 0.0)


def doing_of(heard: Heard | None, found: QueuedPrompt, last: Doing | None) -> Doing | None:
    """What a prompt does by what was heard of it, else what it did last."""
    if heard is None or heard.node_id is None:
        return last
    kind = heard.node_type or found.node_types.get(heard.node_id)
    if kind is None and last is not None and last.node_id == heard.node_id:
        kind = last.node_type
    return Doing(heard.node_id, kind, heard.value, heard.maximum)


def _is_another(prompt: PromptRecord, server: WatchedServer, since: float, now: float) -> bool:
    if prompt.missing_looks or prompt.server != server.name:
        return True
    boot_id = server.queue.boot_id
    if None not in (boot_id, prompt.boot_id) and boot_id != prompt.boot_id:
        return True
    state = server.queue.states.get(prompt.prompt_id)
    age_s = None if state is None else state.age_s
    return age_s is not None and age_s + _SAME_S < now - since
