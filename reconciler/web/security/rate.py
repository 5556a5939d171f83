"""How often a client may ask: a bucket of tokens for each, filled again at a steady rate."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

#: Clients that are remembered; of more, those that asked longest ago are forgotten.
MOST_CLIENTS = 10_000


def client_key(address: str) -> str:
    """Of whom an address is: of IPv6 everybody has a whole network of 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) else address


class RateLimit:
    """Belongs to the loop: not thread-safe."""

    def __init__(
        self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`burst` at once, and then `per_s`."""
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        #: What is left, and when that was so.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> int | None:
        """None where it may; else the seconds after which it may again."""
        now_s = self._clock()
        left, at_s = self._buckets.pop(client, (self._burst, now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        may = left >= 1
        self._buckets[client] = (left - 1 if may else left, now_s)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return None if may else math.ceil((1 - left) / self._per_s)
