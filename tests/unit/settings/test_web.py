"""Where the web interface is, and who needs a token there."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.settings.web import WebSettings


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LocalHost.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.5", False),
        ("gpu1.studio.lan", False),
        ("localhost.evil.example", False),
        ("::ffff:10.0.0.5", False),
    ],
)
def test_elsewhere_than_on_loopback_a_token_is_needed(host: str, is_local: bool) -> None:
    web = WebSettings(host=host)
    assert web.is_local is is_local
    assert web.needs_token is not is_local
    assert WebSettings(host=host, require_token=True).needs_token


@pytest.mark.parametrize("host", ["", " ", "a b", "http://gpu", "gpu:8328", "gpu/x", "*", "a..b"])
def test_a_host_is_a_name_or_an_address_alone(host: str) -> None:
    with pytest.raises(ValidationError, match="name or address alone"):
        WebSettings(host=host)
    with pytest.raises(ValidationError, match="name or address alone"):
        WebSettings(allowed_hosts=(host,))


@pytest.mark.parametrize("proxy", ["", "*", "proxy.lan", "10.0.0.1/8", "10.0.0.0/99"])
def test_a_proxy_is_an_address_or_a_network(proxy: str) -> None:
    with pytest.raises(ValidationError, match="address or a network"):
        WebSettings(trusted_proxies=(proxy,))


def test_names_are_told_as_browsers_send_them() -> None:
    web = WebSettings(allowed_hosts=("GPU.Studio.lan.", "[FD00::5]"), trusted_proxies=("10.0.0.5",))
    assert web.allowed_hosts == ("gpu.studio.lan", "fd00::5")
    assert web.trusted_proxies == ("10.0.0.5/32",)
