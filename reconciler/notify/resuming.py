"""Readers that come back: what they missed is read from the table, if it is all there still."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.notify.messages import Filters, Message, of_event
from reconciler.settings.retention import RetentionSettings
from reconciler.store.feed import FeedStore

#: Events that are read at a time.
PAGE = 500
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Page:
    """The next of what was missed."""

    messages: list[Message]
    #: Up to this event everything was read.
    upto: int


def read_page(store: FeedStore, after: int, upto: int, filters: Filters) -> Page:
    """What a reader with these filters missed after one event, up to another, at most `PAGE`.
    Raises DatabaseError."""
    jobs = filters.jobs or None
    events = store.events(after, upto=upto, limit=PAGE, job_ids=jobs)
    return Page(
        [message for message in map(of_event, events) if filters.want(message)],
        upto if len(events) < PAGE else events[-1].id,
    )


def why_lost(
    store: FeedStore, after: int, position: int, retention: RetentionSettings
) -> str | None:
    """Why it cannot be told what came after an event, in words; None where it can. `position`: the
    last event that was handed on. Raises DatabaseError."""
    oldest, newest = store.bounds()
    if after > max(newest, position):
        return "no event with this id is known: it may be of another database"
    days, count = retention.events_days, retention.events_count
    age_s = store.age_s(after)
    if (
        after < oldest - 1
        or (count is not None and after < newest - count)
        or (days is not None and age_s is not None and age_s > days * _DAY_S)
    ):
        return "what came after this event was deleted in part, since it is so long ago"
    return None
