"""Which of the tables is the one with the jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.adopt import names
from reconciler.adopt.facts import Family, Kind, Table
from reconciler.adopt.proposal import Proposal
from reconciler.adopt.recognise import status_columns

#: Tables whose rows are looked at, at most.
MAX_SAMPLED = 8
_PAST = re.compile(
    r"(^|_)(history|logs?|archived?|backup|bak|old|audit|events?|tmp|temp|test)($|_)"
)
_JOBS = re.compile(r"(^|_)jobs?($|_)|jobs?$")
_ALIKE = re.compile(r"render|generation|task|queue|comfy|prompt|workflow_run|video|image")


@dataclass(frozen=True, slots=True)
class Ranked:
    """Proposals by how good their tables are, the best first."""

    proposals: tuple[Proposal, ...]

    @property
    def best(self) -> Proposal | None:
        """The one that is meant, if no other is as good, and it looks like jobs at all."""
        convincing = [p for p in self.proposals if _is_convincing(p)]
        if not convincing:
            return None
        alone = len(convincing) == 1 or _worth(convincing[0]) != _worth(convincing[1])
        return convincing[0] if alone else None


def worth_sampling(tables: Sequence[Table]) -> list[Table]:
    """Tables with a status, the likeliest names first."""
    possible = [table for table in tables if status_columns(table)]
    return sorted(possible, key=lambda t: (-likeness(t.name), not t.visible))[:MAX_SAMPLED]


def ranked(proposals: Sequence[Proposal]) -> Ranked:
    """The proposals in order."""
    return Ranked(tuple(sorted(proposals, key=lambda p: (_worth(p), p.table.name), reverse=False)))


def likeness(name: str) -> int:
    """How much a name sounds like jobs: 0 not at all, or like their past, to 3."""
    plain = names.normal(name)
    if _PAST.search(plain):
        return 0
    if plain == "production_jobs":
        return 3
    return 2 if _JOBS.search(plain) else int(_ALIKE.search(plain) is not None)


def _is_convincing(proposal: Proposal) -> bool:
    return likeness(proposal.table.name) > 0 or _has_prompt_id(proposal)


def _has_prompt_id(proposal: Proposal) -> bool:
    choice = proposal.choice("jobs", "columns", "prompt_id")
    return choice is not None and choice.value is not False


def _worth(proposal: Proposal) -> tuple[bool, bool, int, bool, bool, bool]:
    """Smaller is better."""
    table = proposal.table
    known = proposal.choice("jobs", "columns", "status")
    return (
        bool(proposal.problems),
        not _has_prompt_id(proposal),
        -likeness(table.name),
        table.kind not in (Kind.TABLE, Kind.PARTITIONED),
        not table.visible,
        known is None or _is_number(table, str(known.value)),
    )


def _is_number(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.family is Family.WHOLE
