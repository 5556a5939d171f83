"""Files that are nobody's, each with why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.orphans import WhyNobodys, why_nobodys
from reconciler.store import Store
from reconciler.store.outputs import Orphan


@dataclass(frozen=True, slots=True)
class Listed:
    """An orphan with why it is one, and whether it is still on disk (None: nobody can tell)."""

    orphan: Orphan
    why: WhyNobodys
    exists: bool | None


def explained(store: Store, found: Sequence[Orphan]) -> list[Listed]:
    """Why each is nobody's. Raises DatabaseError."""
    named = {
        job_id
        for one in found
        for job_id in (one.facts.tag_job_id, one.facts.named_job_id)
        if job_id is not None
    }
    jobs = store.views.known(named) if named else {}
    return [Listed(one, why_nobodys(one.facts, jobs), _exists(one)) for one in found]


def _exists(orphan: Orphan) -> bool | None:
    """False only where its folder can be seen from here."""
    if os.path.lexists(orphan.path):
        return True
    return False if orphan.path.parent.is_dir() else None
