"""One ComfyUI server: where it answers, how it is greeted, and where its files lie."""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reconciler.errors import OutsideOutput
from reconciler.settings.fields import Folder, Section, short_line

_HTTP_URL = TypeAdapter(AnyHttpUrl)


def _header_name(name: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError("is no name of an HTTP header")
    return name


def _header_value(value: SecretStr) -> SecretStr:
    # A line break would smuggle in another header.
    if not re.fullmatch(r"[\x20-\x7e\xa0-\xff]+", value.get_secret_value()):
        raise ValueError("should be one line of characters that HTTP allows, and not empty")
    return value


Secret = Annotated[SecretStr, AfterValidator(_header_value)]


class ServerSettings(Section):
    """One ComfyUI server."""

    #: Without a slash at the end, and without user and password: those become a header.
    url: str
    #: Unique; default: the url's host:port and path.
    name: str = Field(default="", validate_default=True)
    headers: dict[Annotated[str, AfterValidator(_header_name)], Secret] = Field(
        default_factory=dict
    )
    #: Sent as `Authorization: Bearer <token>`.
    token: Secret | None = None
    #: A file of certificates (PEM) to trust for https, instead of the system's.
    tls_ca: Folder | None = None
    #: ComfyUI's output directory as seen here. None: only with `fetch_outputs`.
    output_dir: Folder | None = None
    #: Where the directory is not to be seen here, fetch what history lists through GET /view.
    fetch_outputs: bool = False
    #: The same directory as applications see it; default: `output_dir`. See `stored_path_of`.
    stored_path: str | None = Field(default=None, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _login_becomes_header(cls, data: Any) -> Any:
        # Urls stand in logs, events and metrics: a password must not stay in one.
        if not isinstance(data, dict) or not isinstance(data.get("url"), str):
            return data
        url, headers = data["url"], data.get("headers") or {}
        with suppress(ValueError):
            parts = urlsplit(url)
            login, at, host = parts.netloc.rpartition("@")
            if at and isinstance(headers, dict) and "Authorization" not in headers:
                basic = "Basic " + b64encode(unquote(login).encode()).decode()
                without = parts._replace(netloc=host).geturl()
                return {**data, "url": without, "headers": {**headers, "Authorization": basic}}
        return data

    @field_validator("url")
    @classmethod
    def _url_is_web_address(cls, url: str) -> str:
        try:
            parsed = _HTTP_URL.validate_python(url)
        except ValidationError:
            guess = f"; did you mean http://{url}?" if re.fullmatch(r"[\w.-]+(:\d+)?", url) else ""
            raise ValueError(f"should be as http://127.0.0.1:8188{guess}") from None
        if parsed.query is not None or parsed.fragment is not None or "@" in str(parsed):
            raise ValueError("should hold no ?, # or @; a key belongs in token or headers")
        return str(parsed).rstrip("/")

    @field_validator("name", mode="before")
    @classmethod
    def _name_or_host(cls, name: Any, info: ValidationInfo) -> Any:
        url = info.data.get("url")
        if (name is None or name == "") and url:
            parsed = _HTTP_URL.validate_python(url)
            return f"{parsed.host}:{parsed.port}{parsed.path}".rstrip("/")
        return name

    @field_validator("name")
    @classmethod
    def _name_is_short_line(cls, name: str) -> str:
        return short_line(name) if name else name  # without a url there is another problem to tell

    @field_validator("stored_path")
    @classmethod
    def _stored_or_seen(cls, stored: str | None, info: ValidationInfo) -> str | None:
        if stored is None:
            seen = info.data.get("output_dir")
            return None if seen is None else str(seen)
        if not stored or not stored.isprintable():
            raise ValueError(
                r"should be a path as applications see it, such as /mnt/out or \\nas\out"
            )
        return stored

    def request_headers(self) -> dict[str, str]:
        """The headers of every request to this server, secrets included: never log them."""
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        return headers


def stored_path_of(server: ServerSettings, path_inside: PurePosixPath) -> str:
    r"""The path to store in the row for a file of this server, as applications will open it.

    `path_inside` is relative to the output directory. A stored path with a backslash or a bare
    drive (`\\nas\out`, `C:\out`, `C:`) is joined by backslashes, any other by slashes. Without a
    stored path the result is `path_inside`.

    Raises OutsideOutput if the result would lie outside the stored path: a `..`, an absolute
    path, or, for Windows, a name that Linux allows a backslash in.
    """
    base = server.stored_path or ""
    separator = "\\" if "\\" in base or re.fullmatch(r"[A-Za-z]:", base) else "/"
    parts = path_inside.parts
    if path_inside.is_absolute() or ".." in parts or (separator in "".join(parts)):
        raise OutsideOutput(
            f"{str(path_inside)!r} is no path inside the output directory of server {server.name};"
            f" it cannot be stored below {base or 'it'}"
        )
    inside = separator.join(parts)
    return f"{base.rstrip(separator)}{separator}{inside}" if base else inside


def one_server(url: str, output_dir: str | Path | None, name: str | None = None) -> dict[str, Any]:
    """The flags for `load` that describe a single server, in place of all that a file lists.

    For `reconciler run --server URL --output-dir DIR`: `load(flags=one_server(url, directory))`.
    """
    given = {"url": url, "output_dir": output_dir, "name": name}
    return {"servers": [{key: value for key, value in given.items() if value is not None}]}
