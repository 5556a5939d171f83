"""Where an endpoint's name leads, and whether we may go there.

Who can choose a URL must not reach by it what only this machine can reach. A name is resolved once,
every address that it has is checked, and the connection is made to one of those: another answer to
a second question (DNS rebinding) is never asked for.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address
#: Asks for the addresses of a name; may raise OSError.
Resolver = Callable[[str, int], Sequence[str]]

#: Nobody in particular is there, or it is no address of one machine; never allowed.
_NOBODYS = tuple(
    map(ip_network, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8", "100::/64"))
)
#: Not the internet's, though Python's tables (of some versions) think so.
_PRIVATE = tuple(
    map(
        ip_network,
        (
            "100.64.0.0/10",  # behind a provider's NAT; a cloud has its metadata here
            "168.63.129.16/32",  # a cloud's own server, at an address of the internet
            "192.0.0.0/24",
            "198.18.0.0/15",
            "64:ff9b:1::/48",
            "2001::/23",
            "fec0::/10",
        ),
    )
)
#: IPv6 addresses that a gateway turns into the IPv4 address at this many bits from the left.
_EMBEDDING = (
    (ip_network("::/96"), 96),
    (ip_network("::ffff:0:0/96"), 96),
    (ip_network("::ffff:0:0:0/96"), 96),
    (ip_network("64:ff9b::/96"), 96),
    (ip_network("2002::/16"), 16),
)


class AddressRefused(Exception):
    """The endpoint is somewhere where we do not go."""


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, or the address itself, as the system has them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def addresses_of(
    host: str, port: int, *, allow_private: bool, timeout_s: float, resolver: Resolver = resolve
) -> list[str]:
    """Where to connect to. One address that is refused refuses the name: what has a private one
    beside a public one is about to play a trick.

    Raises AddressRefused, and OSError where the name has no address or the answer takes longer.
    """
    found = _in_time(lambda: resolver(host, port), timeout_s)
    for address in found:
        if why := refusal(address, allow_private=allow_private):
            raise AddressRefused(why)
    if not found:
        raise OSError("the name has no address")
    return list(found)


def refusal(text: str, *, allow_private: bool) -> str | None:
    """Why we do not go to this address; None where we do."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return "what the name resolves to is no address"
    shown = f"{address} "
    while (inner := _embedded(address)) is not None:
        address = inner
    if _is_in(address, _NOBODYS) or address.is_multicast:
        return f"{shown}is no address of one machine"
    if not allow_private and (not address.is_global or _is_in(address, _PRIVATE)):
        return f"{shown}is not an address of the internet: `allow_private` would allow it"
    return None


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that this is in truth."""
    if isinstance(address, IPv4Address) or address in (IPv6Address("::"), IPv6Address("::1")):
        return None
    for network, bits in _EMBEDDING:
        if address in network:
            return IPv4Address(int(address) >> (96 - bits) & 0xFFFFFFFF)
    return None


def _is_in(address: Address, networks: Sequence[object]) -> bool:
    return any(address in network for network in networks)  # type: ignore[operator]


def _in_time(ask: Callable[[], Sequence[str]], timeout_s: float) -> Sequence[str]:
    """The system's resolver knows no time-out: whoever asks does not wait for it longer."""
    answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(ask())
        except Exception as error:
            answers.put(error)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(answer, UnicodeError):
        raise OSError("the name is none that can be resolved")
    if isinstance(answer, Exception):
        raise answer
    return answer
