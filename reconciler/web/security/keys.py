"""The key that signs sessions and forms, one for each data directory: it outlasts restarts."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

NAME = "web.key"
_BYTES = 32


class Signer:
    """Signs texts and knows its signatures again."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, *parts: str) -> str:
        """The signature of these texts in this order."""
        return hmac.new(
            self._key, "\0".join(parts).encode("utf-8", "replace"), "sha256"
        ).hexdigest()

    def is_signed(self, signature: str, *parts: str) -> bool:
        """True where it is the signature of these."""
        expected = self.sign(*parts)
        return hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode())


def signer_of(data_dir: Path) -> Signer:
    """The signer of a data directory. Where no key can be kept, it lasts as long as the process."""
    path = data_dir / NAME
    try:
        return Signer(_read(path) or _made(path))
    except OSError as error:
        log.info("sessions end with this process: their key cannot be kept", reason=str(error))
        return Signer(secrets.token_bytes(_BYTES))


def _read(path: Path) -> bytes | None:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    return key if len(key) == _BYTES else None


def _made(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(_BYTES)
    draft = path.with_name(f"{NAME}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    draft.replace(path)
    return key
