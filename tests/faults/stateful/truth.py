"""Which verdicts are justified by what is the case, and which rows must be what when it is calm.

A verdict must be justified at some instant of the step in which it was written, and since the
application's last word about its row. Nothing here asks the code under test.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.reconcile.remit import SILENT_S
from tests.faults.stateful.agent import CONFIRM_S, POLICY
from tests.faults.stateful.client import AWAY_S
from tests.faults.stateful.prompts import Prompt
from tests.faults.stateful.world import FINAL, Row, Says, World

STALL = POLICY.stall


def note_moment(world: World) -> None:
    """Adds to each row what is justified now."""
    for row in world.rows.values():
        if not (row.deleted or row.cancelled):
            row.justified |= set(justified(world, row))


def justified(world: World, row: Row) -> Iterator[Says]:
    if row.cancel_asked and all(_is_given_up(world, row, prompt) for prompt in row.prompts):
        yield "cancelled", None
    for prompt in row.prompts:
        yield from _of_ended(world, prompt)
        yield from _of_open(world, row, prompt)


def _of_ended(world: World, prompt: Prompt) -> Iterator[Says]:
    comfy, ending = world.comfy_of(prompt), prompt.ending
    if prompt.is_whole and (prompt.ending is None or prompt.succeeded):
        yield "completed", None
    if prompt.removed and comfy.pack:
        yield "cancelled", None
    if ending is None:
        return
    if not prompt.succeeded:
        code = "interrupted" if ending.kind == "interrupted" else "execution_error"
        yield "failed", "out_of_memory" if ending.out_of_memory else code
        return
    if not prompt.files:
        yield "failed", "no_output"
    if _is_missing(world, prompt):
        yield "failed", "missing_output"
    damaged = [f for f in prompt.files if not f.sound and world.now - f.written_at >= CONFIRM_S]
    if damaged or prompt.is_disputed:
        yield "failed", "invalid_output"


def _is_missing(world: World, prompt: Prompt) -> bool:
    """A file is away since a look that knew of the success, and the storage was there since."""
    comfy = world.comfy_of(prompt)
    told_at = prompt.ended_at if comfy.pack else prompt.told_at
    if told_at is None or not comfy.mounted:
        return False
    overdue = world.now - max(told_at, comfy.mounted_at) >= POLICY.missing_output_grace_s
    return overdue and any(not file.path.exists() for file in prompt.files)


def _is_given_up(world: World, row: Row, prompt: Prompt) -> bool:
    """Nothing of it runs any more, and it ended in no other way."""
    if prompt.removed or (prompt.ending is not None and prompt.ending.kind == "interrupted"):
        return True
    return prompt.place == "nowhere" and not _is_told_elsewhere(world, row, prompt)


def _of_open(world: World, row: Row, prompt: Prompt) -> Iterator[Says]:
    comfy, now = world.comfy_of(prompt), world.now
    limit_s = POLICY.server_down_timeout_s or 0.0
    if now - comfy.answered_at > limit_s:
        yield "failed", "server_down"
    if prompt.place == "running" and not comfy.worker_alive:
        yield "failed", "worker_dead"
    if _is_stalled(world, prompt):
        yield "failed", "stalled"
    if is_left_alone(world, prompt):
        yield "failed", "lost"
        yield "failed", "never_submitted"
    if prompt.place == "nowhere" and comfy.mounted and not _is_told_elsewhere(world, row, prompt):
        yield from _of_gone(world, row, prompt)


def is_left_alone(world: World, prompt: Prompt) -> bool:
    """It was not found yet, and its server's only agent has been away for so long that the other
    one does without it: that is told as a verdict which a late success lifts."""
    served = [servers for servers in world.serves if prompt.server in servers]
    silent_s = world.now - world.comfy_of(prompt).answered_at
    return not world.is_placed(prompt) and len(served) < len(world.serves) and silent_s >= SILENT_S


def _of_gone(world: World, row: Row, prompt: Prompt) -> Iterator[Says]:
    comfy, now = world.comfy_of(prompt), world.now
    # What came and went between two looks was missing all the time.
    gone_at, looks = row.opened_at, comfy.looks
    if prompt.shown and prompt.gone_at is not None:
        gone_at, looks = max(prompt.gone_at, row.opened_at), comfy.looks - prompt.gone_looks
    by_looks = now - gone_at >= POLICY.lost_grace_s and looks >= POLICY.lost_confirmations
    by_boot = comfy.pack and now - gone_at >= POLICY.restart_grace_s and looks >= 2
    if prompt.shown and (by_looks or by_boot):
        yield "failed", "lost"
    never_s = POLICY.never_seen_timeout_s or 0.0
    if now - gone_at >= never_s and by_looks:
        yield "failed", "never_submitted"


def _is_told_elsewhere(world: World, row: Row, prompt: Prompt) -> bool:
    """Its end was stored, or its manifest tells of it."""
    by_manifest = (
        world.comfy_of(prompt).pack
        and (prompt.ending is not None or prompt.removed)
        and prompt.created_at >= row.opened_at
    )
    return prompt.known or by_manifest


def _is_stalled(world: World, prompt: Prompt) -> bool:
    comfy, now = world.comfy_of(prompt), world.now
    if prompt.place != "running" or prompt.started_at is None or prompt.last_sign_at is None:
        return False
    if now - comfy.answered_at > AWAY_S:
        return False  # nobody has watched it for that long
    ran_s = now - prompt.started_at - prompt.unwatched_s
    silent_s = now - max(prompt.last_sign_at, comfy.watched_since)
    if comfy.pack:
        quiet = ran_s > STALL.base_s and silent_s > STALL.quiet_s
        return quiet or silent_s > STALL.no_progress_s
    return ran_s > STALL.base_s


def when_calm(
    world: World, row: Row, linked: Collection[str], *, hours_later: bool
) -> set[str] | None:
    """The statuses that the row may have once everything answers again; None: any.

    `hours_later`: all graces are over, and what runs has given no sign for all that time.
    """
    if row.cancelled or row.overwritten >= 2 or row.unsure:
        return None
    if not row.prompts:
        known = row.written[-1] if row.written else "queued"
        return {known, "cancelled"} if row.cancel_asked else {known}
    (prompt,) = row.prompts
    # What only carries the row's id and was gone before a look found it is nobody's.
    if prompt.tag is not None and prompt.place == "nowhere" and prompt.id not in linked:
        return None
    if _is_proven(world, row, prompt):
        return {"completed"} if hours_later and not row.cancel_asked else None
    if prompt.place == "pending":
        return {"queued", "failed"}
    if prompt.place == "running" and not hours_later:
        return {"processing", "failed"}
    return set(FINAL) if hours_later else None


def _is_proven(world: World, row: Row, prompt: Prompt) -> bool:
    """It succeeded with whole files, and that can still be known."""
    tells = prompt.place == "history" or _is_told_elsewhere(world, row, prompt)
    return prompt.succeeded and prompt.is_whole and tells and not prompt.is_disputed
