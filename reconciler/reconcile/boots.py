"""The lives of ComfyUI's process behind one address, by the boot id that the node pack tells.

A new boot id proves a restart. One that **comes back** proves that several processes answer in turn
(a load balancer, two ComfyUIs on one port), and then an answer says nothing about prompts of the
other: nothing is concluded from such a server until one and the same process has answered for an
hour (`store.servers.SHARED_S`), or the settings give it another address. After that it proves no
restart either.
"""

from __future__ import annotations

import structlog

from reconciler.comfyui.values import Look
from reconciler.store.servers import ServerRecord

log = structlog.get_logger(__name__)

#: Earlier lives that are remembered.
MAX_BOOTS = 32


def note_boot(record: ServerRecord, look: Look, now: float) -> bool:
    """Takes over which process answered and whether its worker lives. True where it is another."""
    boot_id, before = look.boot_id, record.boot_id
    if boot_id is None:
        record.worker_dead_since = None  # without the pack nobody knows
        return False
    is_other = before is not None and boot_id != before
    if is_other:
        _note_other(record, boot_id, now)
    record.boot_id = boot_id
    _note_worker(record, look.worker_alive, now)
    return is_other


def restart_proven(record: ServerRecord, boot_id: str | None) -> bool:
    """True where this process began after the one with this boot id had ended."""
    return record.boot_returned_at is None and boot_id in record.earlier_boot_ids


def _note_other(record: ServerRecord, boot_id: str, now: float) -> None:
    earlier = [known for known in record.earlier_boot_ids if known != boot_id]
    if len(earlier) < len(record.earlier_boot_ids):
        if not record.is_shared(now):
            log.error(
                "several ComfyUI servers answer behind one address: nothing is concluded from what"
                " they say; give each of them an entry of its own in `servers`",
                server=record.name,
                url=record.url,
            )
        record.boot_returned_at = now
    else:
        log.warning("server was restarted", server=record.name, boot_id=boot_id)
    record.earlier_boot_ids = [*earlier, record.boot_id or ""][-MAX_BOOTS:]
    record.worker_dead_since = None


def _note_worker(record: ServerRecord, alive: bool | None, now: float) -> None:
    if alive is not False:
        record.worker_dead_since = None
    elif record.worker_dead_since is None:  # the pack says so only of a worker that it saw alive
        record.worker_dead_since = now
        log.error(
            "ComfyUI's worker thread is dead: it runs nothing until it is restarted",
            server=record.name,
        )
