"""What the database tells of itself, its jobs and its servers, as metrics: few cheap questions.

Each process tells the same, so of several agents' numbers take one (`max`), never their sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from reconciler import __version__
from reconciler.core.jobs import Status
from reconciler.store import Store
from reconciler.store.servers import ServerRecord
from reconciler.store.webhooks import EndpointRecord, WebhookStore
from reconciler.web.context import WebContext
from reconciler.words.agents import Agents, read
from reconciler.words.told import servers_of

#: The label of rows whose words the settings do not know: there may be any number of words.
OTHER = "other"
STATES = ("reconciles", "stands by", "waits", "gone")

Sample = tuple[Sequence[str], float]


def of_process(context: WebContext, *, database_up: bool) -> Iterator[Metric]:
    """What is known without the database."""
    name = "reconciler_info"
    yield _gauge(name, "The version that runs.", ["version"], [([__version__], 1)])
    up = "Whether the database answered."
    yield _gauge("reconciler_database_up", up, [], [([], database_up)])
    readers = "Readers of the stream."
    yield _gauge("reconciler_stream_readers", readers, [], [([], context.live.feed.readers)])


def of_database(context: WebContext, store: Store) -> list[Metric]:
    """What the tables tell. Raises DatabaseError."""
    return [
        *_jobs(context, store),
        *_servers(context, store),
        *_stream(context, store),
        *_webhooks(WebhookStore(store.connection).all(), store.jobs.now()),
    ]


def _jobs(context: WebContext, store: Store) -> Iterator[Metric]:
    counts = dict.fromkeys([*(status.value for status in Status), OTHER], 0)
    for word, number in context.counted.get(store.stats.by_status).items():
        counts[word if word in counts else OTHER] += number
    samples: list[Sample] = [([word], number) for word, number in counts.items()]
    yield _gauge("reconciler_jobs", "Rows by status.", ["status"], samples)
    yield _gauge(
        "reconciler_open_jobs",
        "Open jobs by the rule that tells what they wait for.",
        ["status", "rule", "server"],
        [
            ([one.status, one.rule or "", one.server or ""], one.number)
            for one in store.stats.open()
        ],
    )
    waits = "How long the first in line has been queued."
    wait_s = store.stats.longest_wait_s() or 0.0
    yield _gauge("reconciler_longest_wait_seconds", waits, [], [([], wait_s)])


def _servers(context: WebContext, store: Store) -> Iterator[Metric]:
    now, servers = store.jobs.now(), servers_of(store, context.settings)
    known = read(store.connection, now, context.settings.agent.takeover_s)
    told: tuple[tuple[str, str, Callable[[ServerRecord], float]], ...] = (
        ("up", "Whether a server answers.", lambda s: s.unreachable_since is None),
        ("worker_alive", "Whether it can run prompts.", lambda s: s.worker_dead_since is None),
        ("attended", "Whether an agent reconciles it.", lambda s: known.holder(s.name) is not None),
    )
    for name, words, tells in told:
        samples: list[Sample] = [([server.name], tells(server)) for server in servers]
        yield _gauge(f"reconciler_server_{name}", words, ["server"], samples)
    yield _gauge("reconciler_agents", "Agents by what they do.", ["state"], _agents(known))


def _agents(known: Agents) -> Iterator[Sample]:
    states = [known.state(agent) for agent in known.agents]
    return (([state], states.count(state)) for state in STATES)


def _stream(context: WebContext, store: Store) -> Iterator[Metric]:
    """Nobody waits for what nobody reads."""
    position = context.live.feed.position if context.live.feed.readers else None
    number, age_s = (0, 0.0) if position is None else store.stats.events_behind(position)
    behind = "Events that the readers of the stream have not been handed yet."
    yield _gauge("reconciler_stream_lag_events", behind, [], [([], number)])
    yield _gauge("reconciler_stream_lag_seconds", "How old the first is.", [], [([], age_s)])


def _webhooks(endpoints: Sequence[EndpointRecord], now: float) -> Iterator[Metric]:
    named = [one for one in endpoints if one.state != "removed"]
    told: tuple[tuple[str, str, Callable[[EndpointRecord], float]], ...] = (
        ("enabled", "Whether it is sent anything.", lambda e: e.state == "enabled"),
        ("deliveries_waiting", "Deliveries in the outbox.", lambda e: e.waiting),
        (
            "lag_seconds",
            "How long the oldest of them has been there.",
            lambda e: 0.0 if e.oldest_at is None else max(now - e.oldest_at, 0.0),
        ),
    )
    for name, words, tells in told:
        samples: list[Sample] = [([one.name], tells(one)) for one in named]
        yield _gauge(f"reconciler_webhook_{name}", words, ["webhook"], samples)


def _gauge(name: str, words: str, labels: list[str], samples: Iterable[Sample]) -> Metric:
    gauge = GaugeMetricFamily(name, words, labels=labels)
    for values, number in samples:
        gauge.add_metric(values, float(number))
    return gauge
