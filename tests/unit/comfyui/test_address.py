"""A server's address: what is sent to it, and what is shown of it."""

import pytest

from reconciler.comfyui.address import ServerAddress
from reconciler.errors import SettingsError


def test_secrets_are_sent_and_never_shown() -> None:
    address = ServerAddress(
        "main", "https://user:p%40ss@gpu:8443/comfy/?x=1", {"X-Key": "s3cret"}, tls_ca=None
    )
    assert address.base == "https://gpu:8443/comfy"
    assert address.websocket_base == "wss://gpu:8443/comfy"
    assert address.request_headers == {"X-Key": "s3cret", "Authorization": "Basic dXNlcjpwQHNz"}
    for shown in (str(address), repr(address)):
        assert "p%40ss" not in shown and "s3cret" not in shown
    assert str(address) == "ComfyUI server 'main' at https://gpu:8443/comfy"


def test_a_token_outranks_a_password() -> None:
    address = ServerAddress("main", "http://user:pw@gpu:8188", token="t0ken")
    assert address.request_headers == {"Authorization": "Bearer t0ken"}
    assert address.websocket_base == "ws://gpu:8188"
    assert "t0ken" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8188",
        "ftp://gpu",
        "http://",
        "http://gpu:99999",
        "http://gpu:x",
        "http://[::1",
        "http://a b",
        "http://gpu\n:8188",
    ],
)
def test_a_url_that_cannot_be_used_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match=r"url of 'main'.*http://host:8188"):
        ServerAddress("main", url)


def test_a_header_that_cannot_be_sent_is_a_settings_error_without_its_value() -> None:
    for headers, token in (({"X-Key": "se\ncret"}, None), ({"X:": "secret"}, None), ({}, "sécr€t")):
        with pytest.raises(SettingsError, match="cannot be sent") as caught:
            ServerAddress("main", "http://gpu", headers, token)
        assert "cret" not in str(caught.value).replace("secret", "")


def test_ipv6_addresses_are_kept() -> None:
    assert ServerAddress("main", "http://[::1]:8188/").base == "http://[::1]:8188"
