"""The section `webhooks`: who is told how jobs end. Units are in the names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_serializer,
    field_validator,
)

from reconciler.core.jobs import Status
from reconciler.settings.fields import Count, Folder, Seconds, Section, short_line
from reconciler.settings.problems import KeyPath
from reconciler.settings.stall import Name

_HTTP_URL = TypeAdapter(AnyHttpUrl)
SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
#: Of a secret's key; that of HMAC-SHA256 should be as long as its digest, or longer.
SECRET_BYTES = (24, 64)


def _signing_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    least, most = SECRET_BYTES
    if not text.startswith(SECRET_PREFIX) or not least <= len(key) <= most:
        raise ValueError(
            f"should be {SECRET_PREFIX} and {least} to {most} random bytes in base64, as"
            f' `echo "{SECRET_PREFIX}$(openssl rand -base64 32)"` makes it'
        )
    return secret


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str | SecretStr) else value


Secrets = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(_signing_secret)], ...],
    BeforeValidator(_listed),
    Field(max_length=5),
]


class EndpointSettings(Section):
    """Somebody who is told."""

    name: Annotated[str, AfterValidator(short_line)]
    url: str
    #: Those that messages are signed with, all at once: receivers may know the old or the new one.
    secrets: Secrets = ()
    events: Literal["endings", "changes", "all"] = "endings"
    #: None: all of them.
    statuses: Annotated[tuple[Status, ...], Field(min_length=1)] | None = None
    #: Patterns: `*` stands for anything, case makes no difference. None: all of them.
    job_types: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)] | None = None
    #: It may be at an address that is not the internet's.
    allow_private: bool = False
    #: A file of certificates (PEM) to trust, beside the system's.
    tls_ca: Folder | None = None

    @field_validator("url")
    @classmethod
    def _url_is_web_address(cls, url: str) -> str:
        try:
            parsed = _HTTP_URL.validate_python(url)
        except ValidationError:
            raise ValueError("should be as https://example.com/hooks/reconciler") from None
        if parsed.username is not None or parsed.password is not None or "#" in str(parsed):
            raise ValueError("should hold no user, password or #: receivers know us by a signature")
        return str(parsed)

    @field_serializer("url", when_used="json")
    def _without_query(self, url: str) -> str:
        return shown_url(url)


class WebhookSettings(Section):
    """Who is told, and how long it is tried."""

    endpoints: Annotated[tuple[EndpointSettings, ...], Field(max_length=50)] = ()
    #: Secrets by the name of their endpoint, for those that name none themselves.
    secrets: dict[str, Secrets] = Field(default_factory=dict)
    #: For one attempt, from the connection to the answer.
    timeout_s: Seconds = 15.0
    #: Afterwards a delivery is given up.
    max_age_s: Seconds = 259_200.0
    #: Likewise; None = as often as there is time for.
    max_attempts: Count | None = None
    #: Attempts under way at once, of each endpoint and agent.
    parallel: Annotated[Count, Field(le=64)] = 4

    @field_validator("endpoints", mode="before")
    @classmethod
    def _none_is_nobody(cls, endpoints: Any) -> Any:
        return () if endpoints is None else endpoints

    def secrets_of(self, endpoint: EndpointSettings) -> tuple[SecretStr, ...]:
        """What its messages are signed with: its own, or those under its name."""
        return endpoint.secrets or self.secrets.get(endpoint.name, ())


def shown_url(url: str) -> str:
    """A URL to show: what stands after the question mark may be a secret."""
    parts = urlsplit(url)
    return parts._replace(query="***").geturl() if parts.query else url


def webhook_conflicts(webhooks: WebhookSettings) -> Iterator[tuple[KeyPath, str]]:
    """Contradictions within the section, by the keys below it."""
    first: dict[str, int] = {}
    for position, endpoint in enumerate(webhooks.endpoints):
        place = ("endpoints", position)
        earlier = first.setdefault(endpoint.name, position)
        if earlier != position:
            text = f"is the name of endpoints[{earlier}] too; each endpoint needs its own"
            yield (*place, "name"), text
        if not webhooks.secrets_of(endpoint):
            text = (
                f"names no secret, and webhooks.secrets has none for {endpoint.name!r}: receivers"
                " could not tell our messages from anybody's"
            )
            yield (*place, "secrets"), text
        if endpoint.tls_ca and not endpoint.url.startswith("https:"):
            text = "has no meaning for an http url; write https, or leave it out"
            yield (*place, "tls_ca"), text
    for name in webhooks.secrets.keys() - first.keys():
        yield ("secrets", name), "is the name of no endpoint"
