"""Whether a browser asks for a page of another site's."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from reconciler.web.security.hosts import split_host

#: What browsers say of requests that our own pages cause, or the person at the browser.
_OURS = frozenset({"same-origin", "none"})


def foreign(headers: Mapping[str, str], scheme: str, *, is_change: bool) -> str | None:
    """Why this request is another site's and refused; None if it is not.

    `is_change`: it may change something, or opens a websocket. Programs say nothing of all this,
    and no other site can make a browser leave it out.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in _OURS and (is_change or not _is_followed_link(headers)):
        return f"A page of another site asked for this (Sec-Fetch-Site: {site[:20]})."
    origin = headers.get("origin")
    if is_change and origin is not None and not _is_ours(origin, headers.get("host", ""), scheme):
        return "A page of another site asked for this: its Origin is not this host."
    return None


def _is_followed_link(headers: Mapping[str, str]) -> bool:
    """Somebody followed a link, and sees the answer as a page of ours."""
    is_page = headers.get("sec-fetch-dest") == "document"
    return is_page and headers.get("sec-fetch-mode") == "navigate"


def _is_ours(origin: str, host: str, scheme: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or parts.path or parts.query or parts.fragment:
        return False
    return split_host(parts.netloc, parts.scheme) == split_host(host, parts.scheme) is not None
