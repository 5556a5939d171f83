"""Who sent a request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from reconciler.settings.web import WebSettings
from reconciler.store.tokens import TokenRecord, digest_of
from reconciler.web.security.access import Caller, Role, Way
from reconciler.web.security.keyring import Keyring
from reconciler.web.security.keys import Signer
from reconciler.web.security.rate import RateLimit, client_key
from reconciler.web.security.sessions import digest_of_session, session_in

log = structlog.get_logger(__name__)

#: What a proxy adds. Who comes through one is somewhere else, whoever connected to us.
FORWARDED = frozenset(
    {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"}
)
THIS_MACHINE = Caller("this machine", Role.OPERATOR, Way.LOCAL)


#: Wrong tokens of one client: so many at once, and then one in so many seconds.
_WRONG_AT_ONCE, _WRONG_EVERY_S = 10, 6.0


class WrongToken(Exception):
    """A token was sent that is none, or none any more."""

    def __init__(self, wait_s: int | None) -> None:
        super().__init__("This token is unknown, revoked or has expired.")
        #: None, or the seconds after which this client may try again.
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Knows callers by what they show."""

    settings: WebSettings
    keyring: Keyring
    signer: Signer
    wrong: RateLimit = field(default_factory=lambda: RateLimit(1 / _WRONG_EVERY_S, _WRONG_AT_ONCE))

    async def identify(self, headers: Mapping[str, str], client: str) -> Caller | None:
        """Who asks from the address `client`; None where nobody is known. Raises WrongToken and
        DatabaseError."""
        if (sent := headers.get("authorization")) is not None:
            scheme, _, value = sent.partition(" ")
            known = await self.check(value if scheme.lower() == "bearer" else "", client)
            return _caller(known, Way.BEARER)
        if (session := session_in(headers.get("cookie", ""))) is not None:
            digest = digest_of_session(self.signer, session, time.time())
            if digest is not None and (token := await self.keyring.find(digest)) is not None:
                return _caller(token, Way.COOKIE)
        if self.settings.needs_token or FORWARDED & headers.keys():
            return None
        return THIS_MACHINE

    async def still_knows(self, caller: Caller) -> bool:
        """True while the token of a caller is valid."""
        if caller.digest is None:
            return True
        return await self.keyring.find(caller.digest) is not None

    async def check(self, token: str, client: str) -> TokenRecord:
        """The token that this is. Raises WrongToken and DatabaseError."""
        found = await self.keyring.find(digest_of(token.strip()))
        if found is not None:
            return found
        wait_s = self.wrong.take(client_key(client))
        if wait_s is None:
            log.warning("wrong token", client=client)
        raise WrongToken(wait_s)


def _caller(token: TokenRecord, way: Way) -> Caller:
    return Caller(token.name, Role(token.role), way, token.digest)
