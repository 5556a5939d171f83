"""A settings file's text with its secrets replaced: for showing what changes in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

_HIDDEN = "***"
#: user:password@ in an address, and the passwords of the other form of a Postgres address.
_IN_ADDRESS = re.compile(r"(://[^\s:/@\"']*:)\S*@")
_IN_WORDS = re.compile(r"((?:password|secret)\w*\s*=\s*)('[^']*'|[^\s\"',}]+)", re.IGNORECASE)
_IN_QUERY = re.compile(r"([?&](?:\w*password|\w*secret)=)[^&\s\"']*", re.IGNORECASE)


def masked(shown: str, *texts: str) -> str:
    """`shown` without the secrets of the YAML `texts` that it was made of."""
    secrets = {secret for text in texts for secret in _secrets(yaml.safe_load(text))}
    for secret in sorted(secrets, key=len, reverse=True):
        shown = shown.replace(secret, _HIDDEN)
    for pattern in (_IN_QUERY, _IN_WORDS):
        shown = pattern.sub(rf"\g<1>{_HIDDEN}", shown)
    return _IN_ADDRESS.sub(rf"\g<1>{_HIDDEN}@", shown)


def _secrets(value: Any) -> Iterator[str]:
    """Tokens, and the values of headers."""
    if isinstance(value, list):
        for inner in value:
            yield from _secrets(inner)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key == "token" and isinstance(inner, str):
            yield inner
        elif key == "headers" and isinstance(inner, dict):
            yield from (header for header in inner.values() if isinstance(header, str) and header)
        else:
            yield from _secrets(inner)
