"""The webhooks of the settings: whether their endpoints still get anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from reconciler.doctor.finding import Finding, ok, warning
from reconciler.errors import DatabaseError
from reconciler.settings import Settings
from reconciler.store.existing import open_existing
from reconciler.store.webhooks import WebhookStore

_WHAT = "webhooks"


def check_webhooks(settings: Settings) -> Iterator[Finding]:
    """One finding for each endpoint; nothing where there are none, or no database (which is told
    as such)."""
    names = [endpoint.name for endpoint in settings.webhooks.endpoints]
    if not names:
        return
    try:
        with closing(open_existing(settings)) as store:
            known = {one.name: one for one in WebhookStore(store.connection).all()}
    except DatabaseError:
        return
    for name in names:
        what, one = f"{_WHAT}, {name}", known.get(name)
        if one is None or one.removed_at is not None:
            yield ok(what, "not told anything yet: the service has not run with these settings")
        elif one.disabled_at is not None:
            yield warning(
                what,
                f"disabled, it gets nothing: {one.disabled_because}",
                f"when it is right again: `reconciler webhooks enable {name}`",
            )
        else:
            yield ok(what, f"enabled; {one.waiting} deliveries wait")
