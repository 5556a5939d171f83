"""What browsers tell of the page that asks."""

from __future__ import annotations

import pytest

from reconciler.web.security.origin import foreign

HOST = "localhost:8328"
LINK = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def refused(*, is_change: bool, **headers: str) -> bool:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return foreign({"host": HOST, **named}, "http", is_change=is_change) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "whatever"])
def test_another_site_may_neither_change_nor_read(site: str) -> None:
    assert refused(is_change=True, sec_fetch_site=site)
    assert refused(is_change=False, sec_fetch_site=site)
    assert refused(is_change=False, sec_fetch_site=site, sec_fetch_mode="no-cors")


def test_a_link_on_another_site_can_be_followed_and_a_form_there_not_be_sent() -> None:
    assert (
        foreign({"host": HOST, "sec-fetch-site": "cross-site", **LINK}, "http", is_change=False)
        is None
    )
    assert foreign({"host": HOST, "sec-fetch-site": "cross-site", **LINK}, "http", is_change=True)
    frame = LINK | {"sec-fetch-dest": "iframe", "sec-fetch-site": "cross-site", "host": HOST}
    assert foreign(frame, "http", is_change=False)


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_pages_may_do_both(site: str) -> None:
    assert not refused(is_change=True, sec_fetch_site=site, origin=f"http://{HOST}")
    assert not refused(is_change=False, sec_fetch_site=site)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://localhost",
        "http://localhost:8188",
        "http://localhost:8328.evil.example",
        "http://localhost:8328@evil.example",
        "http://localhost:8328/",
        "file://",
        "chrome-extension://abcdef",
        "http://[",
    ],
)
def test_an_origin_that_is_not_this_host_changes_nothing(origin: str) -> None:
    assert refused(is_change=True, origin=origin)


def test_programs_say_nothing_of_this() -> None:
    assert not refused(is_change=True)


def test_behind_a_proxy_the_origin_has_its_scheme_and_no_port() -> None:
    headers = {"host": "gpu.lan", "origin": "https://gpu.lan"}
    assert foreign(headers, "https", is_change=True) is None
    assert foreign(headers, "http", is_change=True) is None  # the proxy did not tell its scheme
    assert foreign(headers | {"host": "gpu.lan:443"}, "http", is_change=True) is None
    assert foreign(headers | {"host": "gpu.lan:8328"}, "http", is_change=True) is not None
