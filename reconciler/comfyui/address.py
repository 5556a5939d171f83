"""Where a ComfyUI server is and how to introduce oneself to it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from reconciler.errors import SettingsError


@dataclass(frozen=True)
class ServerAddress:
    """One ComfyUI server. Its representation shows no secret.

    The URL may hold a path (a server behind a proxy) and a user and password, which are sent as
    basic authentication. Raises `SettingsError` for a URL or a header that cannot be used.
    """

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Sent as `Authorization: Bearer`; it outranks a password in the URL.
    token: str | None = field(default=None, repr=False)
    #: PEM file of the authority that signed the server's certificate; None = the public ones.
    tls_ca: Path | None = None

    def __post_init__(self) -> None:
        _check_url(self.name, self.url)
        for name, value in self.request_headers.items():
            _check_header(self.name, name, value)

    @property
    def base(self) -> str:
        """The URL without user, password, query and closing slash: safe to show."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))

    @property
    def websocket_base(self) -> str:
        """The same for websockets: ws or wss."""
        return "ws" + self.base.removeprefix("http")

    @property
    def request_headers(self) -> dict[str, str]:
        """What every request carries, secrets included."""
        headers = dict(self.headers)
        parts = urlsplit(self.url)
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        elif parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        return headers

    def __str__(self) -> str:
        return f"ComfyUI server {self.name!r} at {self.base}"


def _check_url(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        _ = "".join(url.split()).encode("idna") if not url.isascii() else None
    except ValueError:
        usable = False
    if not usable or any(c.isspace() or not c.isprintable() for c in url):
        raise SettingsError(
            f"servers: the url of {name!r} cannot be used: it has to look like "
            "http://host:8188 or https://host/path"
        )


def _check_header(server: str, name: str, value: str) -> None:
    try:
        sendable = name.isascii() and name.isprintable() and bool(name) and ":" not in name
        value.encode("latin-1")
    except UnicodeEncodeError:
        sendable = False
    if not sendable or not all(c.isprintable() or c in "\t\xa0" for c in value):
        raise SettingsError(
            f"servers: a header or token of {server!r} cannot be sent: header {name!r:.60} holds "
            "a line break or a character that HTTP does not allow; correct or remove it"
        )
