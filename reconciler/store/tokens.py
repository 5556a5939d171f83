"""Tokens of the web interface in Postgres: their digests. The token is known to its holder."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from reconciler.store.connection import Connection
from reconciler.store.queries import query

#: What a token begins with, so that it is recognised where it should not be.
PREFIX = "rec_"
#: Of a token, in bytes: nothing to guess.
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token. Times: seconds since the epoch, database's clock."""

    name: str
    #: sha256 of the token.
    digest: bytes
    #: "reader" or "operator".
    role: str
    created_at: float
    #: None: never.
    expires_at: float | None
    revoked_at: float | None
    #: To the hour.
    last_used_at: float | None
    #: When this was read.
    read_at: float

    def is_valid(self, now: float) -> bool:
        """True while its holder may come in."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


class TokenStore:
    """Every method is one transaction and raises DatabaseError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, name: str, role: str, valid_s: float | None) -> str | None:
        """A new token, which nobody can be told again; None where the name is in use.

        `valid_s`: seconds until it expires; None: never.
        """
        token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        values = {"name": name, "role": role, "valid_s": valid_s, "digest": digest_of(token)}
        with self._connection.transaction() as cursor:
            cursor.execute(query("create_token"), values)
            return token if cursor.fetchone() else None

    def all(self) -> list[TokenRecord]:
        """All tokens, revoked and expired ones included, the oldest first."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("tokens"))
            rows = cursor.fetchall()
        return [TokenRecord(**{**row, "digest": bytes(row["digest"])}) for row in rows]

    def revoke(self, name: str) -> bool:
        """Its holder is out within seconds. False where no such token is in use."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("revoke_token"), {"name": name})
            return cursor.fetchone() is not None

    def note_used(self, name: str) -> None:
        """It was used, now."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("note_token_used"), {"name": name})
