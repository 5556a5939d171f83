"""Settings that are right one by one and contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.settings.expectations import expectation_conflicts
from reconciler.settings.model import Settings
from reconciler.settings.problems import KeyPath
from reconciler.settings.server import ServerSettings
from reconciler.settings.stall import rule_conflicts
from reconciler.settings.webhooks import webhook_conflicts

Conflict = tuple[KeyPath, str]


def conflicts(settings: Settings) -> Iterator[Conflict]:
    """Every contradiction: the setting to change, and what it collides with."""
    yield from _same(settings, "url", lambda server: server.url.lower())
    yield from _same(settings, "name", lambda server: server.name.casefold())
    for position, server in enumerate(settings.servers):
        yield from (((("servers", position, *path)), text) for path, text in _within(server))
        if server.output_dir and settings.data_dir.is_relative_to(server.output_dir):
            text = (
                f"lies inside the output directory of server {server.name}: every write of the"
                " database would look like an output; move one of them"
            )
            yield ("data_dir",), text
    if settings.reconcile.batch_s >= settings.reconcile.interval_s:
        text = "should be shorter than reconcile.interval_s, the pass that comes anyway"
        yield ("reconcile", "batch_s"), text
    if settings.watch.poll_interval_s > settings.watch.rescan_s:
        text = "should be at most watch.rescan_s, after which everything is looked at anyway"
        yield ("watch", "poll_interval_s"), text
    names = [server.name for server in settings.servers]
    for path, text in rule_conflicts(settings.stall.rules, names):
        yield ("stall", "rules", *path), text
    for path, text in expectation_conflicts(settings.expectations.rules):
        yield ("expectations", "rules", *path), text
    for path, text in webhook_conflicts(settings.webhooks):
        yield ("webhooks", *path), text


def _same(
    settings: Settings, key: str, value_of: Callable[[ServerSettings], str]
) -> Iterator[Conflict]:
    first: dict[str, int] = {}
    for position, server in enumerate(settings.servers):
        earlier = first.setdefault(value_of(server), position)
        if earlier != position:
            text = f"is the {key} of servers[{earlier}] too; each server needs its own"
            yield ("servers", position, key), text


def _within(server: ServerSettings) -> Iterator[Conflict]:
    if server.fetch_outputs and server.output_dir:
        text = "has no effect beside output_dir; leave one of them out"
        yield ("fetch_outputs",), text
    names = [name.lower() for name in server.headers]
    if len(set(names)) < len(names):
        yield ("headers",), "names a header twice (upper and lower case are the same)"
    if server.token and "authorization" in names:
        yield ("token",), "and an Authorization header (or user:password in url) exclude each other"
    if server.tls_ca and not server.url.startswith("https:"):
        yield ("tls_ca",), "has no meaning for an http url; write https, or leave it out"
