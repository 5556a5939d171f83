"""The page, the REST interface and the streams. Units are in the names."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator, ByteSize, Field

from reconciler.settings.fields import Bytes, Count, Number, Section

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def _host(name: str) -> str:
    """A name or an address, without port or scheme."""
    name = name.strip().strip("[]").rstrip(".").lower()
    if _NAME.fullmatch(name):
        return name
    try:
        return str(ip_address(name))
    except ValueError:
        raise ValueError("should be a host's name or address alone, as gpu.studio.lan") from None


def _network(text: str) -> str:
    try:
        return str(ip_network(text.strip()))
    except ValueError as error:
        raise ValueError(f"should be an address or a network, as 10.0.0.0/8: {error}") from None


class WebSettings(Section):
    """Where the service can be looked at, and by whom."""

    enabled: bool = True
    #: The address that is listened on. Another than loopback needs tokens.
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    #: 0 = any free one. One that is taken: the next free one.
    port: Annotated[int, Number, Field(ge=0, le=65_535)] = 8328
    #: Readers of the stream at once; more are told to come again.
    stream_readers: Count = 1000
    #: Also on loopback.
    require_token: bool = False
    #: Names under which browsers reach it, besides loopback and the address it listens on.
    allowed_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()
    #: Addresses of reverse proxies whose word is taken for whom they speak.
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    #: Of each client; None = no limit. A sixth of them may come at once.
    requests_per_minute: Count | None = 12_000
    #: Of what is sent with one request.
    max_body_bytes: Bytes = ByteSize(2**20)

    @property
    def is_local(self) -> bool:
        """True where nobody but this machine can connect."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def needs_token(self) -> bool:
        """True where nobody is let in without one."""
        return self.require_token or not self.is_local
