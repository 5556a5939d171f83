"""Under which names the interface may be asked for.

A page of another site can have its own name lead to our address (DNS rebinding): for the browser we
are that site then, and its scripts may read everything. What gives it away is the name.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

#: Names that lead to this machine alone, whoever is asked for them.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def split_host(value: str, scheme: str) -> tuple[str, int] | None:
    """Name and port of a Host header or an authority; None where it is not one."""
    try:
        parts = urlsplit(f"//{value}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.netloc != value or "@" in value:
        return None
    return parts.hostname.rstrip("."), port or _DEFAULT_PORTS[scheme]


class AllowedHosts:
    """Loopback names, the address that is listened on, and those that the settings name."""

    def __init__(self, host: str, more: Iterable[str]) -> None:
        self._names = LOOPBACK | {host} | set(more)
        #: Where every address of this machine is listened on, it is the one that was connected to.
        self._any_own = _is_unspecified(host)

    def allows(self, host: str, connected_to: str | None) -> bool:
        """True for one of the names; `connected_to` is our address of this connection."""
        return host in self._names or (self._any_own and host == connected_to)


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
