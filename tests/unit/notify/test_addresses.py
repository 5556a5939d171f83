"""Where webhooks go, and where they do not: every disguise of an address that is not public."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from reconciler.notify.webhooks.addresses import AddressRefused, addresses_of, refusal

PRIVATE = (
    *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a00:1", "::10.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::a00:1"),
    *("::ffff:0:7f00:1", "::ffff:0:169.254.169.254"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1"),
)
NOBODYS = (
    *("0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *(
        "::",
        "ff02::1",
        "::ffff:0.0.0.0",
        "::ffff:224.0.0.1",
        "64:ff9b::e000:1",
        "::ffff:0:e000:1",
        "100::1",
    ),
    *("localhost", "", "1.2.3", "0x7f000001"),
)
PUBLIC = ("8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_the_internets_is_refused_unless_allowed(address: str) -> None:
    assert refusal(address, allow_private=False) is not None
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("address", NOBODYS)
def test_what_is_no_machines_is_always_refused(address: str) -> None:
    assert refusal(address, allow_private=False) is not None
    assert refusal(address, allow_private=True) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_not_refused(address: str) -> None:
    assert refusal(address, allow_private=False) is None


def found(*answers: str, allow_private: bool = False) -> list[str]:
    return addresses_of(
        "a.example", 443, allow_private=allow_private, timeout_s=5.0, resolver=lambda h, p: answers
    )


def test_all_addresses_are_checked_and_one_that_is_private_refuses_the_name() -> None:
    assert found("8.8.8.8", "1.1.1.1") == ["8.8.8.8", "1.1.1.1"]
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1 is not an address of the internet"):
        found("8.8.8.8", "10.0.0.1")
    assert found("10.0.0.1", allow_private=True) == ["10.0.0.1"]


def test_a_name_without_an_address_is_an_error() -> None:
    with pytest.raises(OSError, match="no address"):
        found()


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    over = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        over.wait(30.0)
        return ()

    with pytest.raises(TimeoutError):
        addresses_of("a.example", 80, allow_private=False, timeout_s=0.05, resolver=hang)
    over.set()


def test_a_name_that_is_none_is_an_error_of_the_connection() -> None:
    def refuse(host: str, port: int) -> Sequence[str]:
        return host.encode("idna") and ()

    with pytest.raises(OSError, match="none that can be resolved"):
        addresses_of("a" * 64, 80, allow_private=False, timeout_s=5.0, resolver=refuse)
