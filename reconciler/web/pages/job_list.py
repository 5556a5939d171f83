"""What somebody asks the list of jobs for, as it stands in the address."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from starlette.datastructures import QueryParams

from reconciler.core.jobs import FailureCode, Status
from reconciler.store.job_filter import JobFilter, Sort
from reconciler.web.pages.rendering import with_query
from reconciler.web.problems import BadParameter

#: Both statuses of jobs that have not ended.
OPEN = "open"
#: How far back a list can reach: the word in the address, seconds, what people read.
PERIODS: Mapping[str, tuple[float, str]] = {
    "1h": (3_600.0, "the last hour"),
    "24h": (86_400.0, "the last day"),
    "7d": (7 * 86_400.0, "the last week"),
    "30d": (30 * 86_400.0, "the last 30 days"),
}
_MAX_CHARS = 200
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parameters of the list; an empty one asks for nothing."""

    q: str = ""
    #: A status, or `OPEN`.
    status: str = ""
    server: str = ""
    type: str = ""
    failure: str = ""
    created: str = ""
    sort: str = ""
    order: str = "desc"
    cursor: str = ""

    @classmethod
    def of(cls, params: QueryParams) -> ListQuery:
        """What the address says. Raises BadParameter."""
        names = ("q", "server", "type", "cursor")
        texts = {name: params.get(name, "").strip() for name in names}
        for name in names[:-1]:
            if len(texts[name]) > _MAX_CHARS:
                raise BadParameter(name, f"is longer than {_MAX_CHARS} characters")
        return cls(
            **texts,
            status=one_of(params, "status", [*Status, OPEN]),
            failure=one_of(params, "failure", [*FailureCode]),
            created=one_of(params, "created", [*PERIODS]),
            sort=one_of(params, "sort", [*Sort]),
            order=one_of(params, "order", ["desc", "asc"]) or "desc",
        )

    def job_filter(self, clock: Callable[[], float] = time.time) -> JobFilter:
        """Which jobs are meant."""
        return JobFilter(
            statuses=self._statuses(),
            servers=frozenset(filter(None, [self.server])),
            job_types=frozenset(filter(None, [self.type])),
            failures=frozenset([FailureCode(self.failure)]) if self.failure else frozenset(),
            created_after=clock() - PERIODS[self.created][0] if self.created else None,
            text=self.q or None,
        )

    @property
    def is_filtered(self) -> bool:
        """Something is left out."""
        return any((self.q, self.status, self.server, self.type, self.failure, self.created))

    @property
    def is_descending(self) -> bool:
        """The newest first."""
        return self.order == "desc"

    def address(self, **changes: str) -> str:
        """The list with other parameters, from its beginning unless they name a cursor."""
        changed = replace(self, **{"cursor": "", **changes})
        named = {name: getattr(changed, name) for name in self.__slots__}
        if named["order"] == "desc":
            del named["order"]
        return with_query("/jobs", **named)

    def _statuses(self) -> frozenset[Status]:
        if self.status == OPEN:
            return frozenset([Status.QUEUED, Status.PROCESSING])
        return frozenset([Status(self.status)]) if self.status else frozenset()


def one_of(params: QueryParams, name: str, words: list[str]) -> str:
    """The parameter, which is one of these words or missing."""
    value = params.get(name, "")
    if value and value not in words:
        raise BadParameter(name, f"should be one of: {', '.join(words)}")
    return value
