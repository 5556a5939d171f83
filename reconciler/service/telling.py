"""The webhooks as a service tells them: those of its settings, from the outbox of its database."""

from __future__ import annotations

import socket
import ssl
from functools import partial

from reconciler.errors import SettingsError
from reconciler.notify.webhooks.lane import Lane
from reconciler.notify.webhooks.post import Target
from reconciler.notify.webhooks.sender import Sender
from reconciler.notify.webhooks.verdict import Limits
from reconciler.settings import Settings
from reconciler.settings.webhooks import EndpointSettings, shown_url
from reconciler.store import Store, open_configured
from reconciler.store.deliveries import DeliveryStore
from reconciler.store.listening import Listener
from reconciler.store.webhooks import Endpoint, WebhookStore


def sender_of(settings: Settings, store: Store) -> Sender:
    """The sender of these settings; from now on events are put into the outbox for its endpoints,
    and for those that the settings named before no more.

    Raises DatabaseError, and SettingsError for certificates that cannot be read.
    """
    webhooks = settings.webhooks
    sender = Sender(
        [_lane(settings, endpoint) for endpoint in webhooks.endpoints],
        partial(open_configured, store.databases.rows.url, settings, create=False),
        Listener(store.connection),
        max_age_s=webhooks.max_age_s,
    )
    named = [_endpoint(endpoint) for endpoint in webhooks.endpoints]
    WebhookStore(store.connection).name(_agent(settings), named)
    DeliveryStore(store.connection).give_up([], webhooks.max_age_s)
    return sender


def _lane(settings: Settings, endpoint: EndpointSettings) -> Lane:
    webhooks = settings.webhooks
    secrets = webhooks.secrets_of(endpoint)
    return Lane(
        endpoint.name,
        Target(endpoint.url, endpoint.allow_private, _tls(endpoint)),
        tuple(secret.get_secret_value() for secret in secrets),
        Limits(webhooks.max_age_s, webhooks.max_attempts),
        webhooks.timeout_s,
        webhooks.parallel,
    )


def _tls(endpoint: EndpointSettings) -> ssl.SSLContext | None:
    if not endpoint.url.startswith("https:"):
        return None
    context = ssl.create_default_context()
    if endpoint.tls_ca is not None:
        try:
            context.load_verify_locations(endpoint.tls_ca)
        except OSError as error:
            raise SettingsError(
                f"webhooks.endpoints: tls_ca of {endpoint.name!r}, {endpoint.tls_ca}, holds no"
                f" certificates that can be read: {error.strerror or error}"
            ) from None
    return context


def _endpoint(endpoint: EndpointSettings) -> Endpoint:
    return Endpoint(
        endpoint.name,
        shown_url(endpoint.url),
        endpoint.events,
        None if endpoint.statuses is None else [status.value for status in endpoint.statuses],
        endpoint.job_types,
    )


def _agent(settings: Settings) -> str:
    """Which settings these are: of one host, several may be used."""
    name = settings.agent.name or socket.gethostname()
    return f"{name}:{settings.source.file}" if settings.source.file else name
