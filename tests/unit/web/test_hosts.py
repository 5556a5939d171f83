"""By which names the interface may be asked for."""

from __future__ import annotations

import pytest

from reconciler.web.security.hosts import AllowedHosts, split_host


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("localhost:8328", ("localhost", 8328)),
        ("LocalHost.", ("localhost", 80)),
        ("127.0.0.1", ("127.0.0.1", 80)),
        ("[::1]:8328", ("::1", 8328)),
        ("evil.example:8328", ("evil.example", 8328)),
        ("", None),
        (":8328", None),
        ("localhost:port", None),
        ("localhost:99999", None),
        ("user@localhost", None),
        ("localhost/evil.example", None),
        ("localhost#evil", None),
        ("localhost, evil.example", ("localhost, evil.example", 80)),
        ("[::1", None),
    ],
)
def test_a_host_is_a_name_and_a_port(value: str, expected: tuple[str, int] | None) -> None:
    assert split_host(value, "http") == expected


@pytest.mark.parametrize(
    ("bound", "more", "asked", "connected_to", "allowed"),
    [
        ("127.0.0.1", (), "localhost", "127.0.0.1", True),
        ("127.0.0.1", (), "::1", "127.0.0.1", True),
        ("127.0.0.1", (), "evil.example", "127.0.0.1", False),
        ("127.0.0.1", (), "localhost.evil.example", "127.0.0.1", False),
        ("127.0.0.1", (), "127.0.0.1.evil.example", "127.0.0.1", False),
        ("127.0.0.1", ("gpu.lan",), "gpu.lan", "127.0.0.1", True),
        ("10.0.0.5", (), "10.0.0.5", "10.0.0.5", True),
        ("10.0.0.5", (), "10.0.0.6", "10.0.0.5", False),
        ("0.0.0.0", (), "10.0.0.5", "10.0.0.5", True),
        ("0.0.0.0", (), "10.0.0.6", "10.0.0.5", False),
        ("0.0.0.0", (), "evil.example", "10.0.0.5", False),
        ("::", (), "fd00::5", "fd00::5", True),
        ("127.0.0.1", (), "10.0.0.5", "10.0.0.5", False),
    ],
)
def test_names_are_loopbacks_the_address_and_those_of_the_settings(
    bound: str, more: tuple[str, ...], asked: str, connected_to: str, allowed: bool
) -> None:
    assert AllowedHosts(bound, more).allows(asked, connected_to) is allowed
