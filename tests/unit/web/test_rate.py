"""How often a client may ask."""

from __future__ import annotations

from reconciler.web.security import rate
from reconciler.web.security.rate import RateLimit, client_key


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_then_a_steady_rate_for_each_client() -> None:
    clock = Clock()
    limit = RateLimit(per_s=0.5, burst=3, clock=clock)
    assert [limit.take("a") for _ in range(5)] == [None, None, None, 2, 2]
    assert limit.take("b") is None
    clock.now_s = 1.9
    assert limit.take("a") == 1
    clock.now_s = 2.0
    assert limit.take("a") is None and limit.take("a") == 2
    clock.now_s = 1000.0
    assert [limit.take("a") for _ in range(4)] == [None, None, None, 2]


def test_clients_that_are_gone_take_no_room(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(rate, "MOST_CLIENTS", 10)
    limit = RateLimit(per_s=1, burst=1, clock=Clock())
    for number in range(1000):
        limit.take(str(number))
    assert len(limit._buckets) == 10
    assert limit.take("999") == 1


def test_of_ipv6_a_client_has_a_whole_network() -> None:
    assert client_key("2001:db8:1:2::1") == client_key("2001:db8:1:2:ffff::2")
    assert client_key("2001:db8:1:2::1") != client_key("2001:db8:1:3::1")
    assert client_key("10.0.0.1") != client_key("10.0.0.2")
    assert client_key("testclient") == "testclient"
