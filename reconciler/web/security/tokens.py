"""Whether there is anybody who could be let in."""

from __future__ import annotations

from reconciler.errors import SettingsError
from reconciler.settings.web import WebSettings
from reconciler.store.tokens import TokenStore
from reconciler.web.database import Stores


def require_token(settings: WebSettings, stores: Stores) -> None:
    """Raises SettingsError where a token is required and there is none, and DatabaseError where
    that cannot be known."""
    if not settings.needs_token:
        return
    with stores.one() as store:
        tokens = TokenStore(store.connection).all()
    if any(token.is_valid(token.read_at) for token in tokens):
        return
    why = "web.require_token is set" if settings.is_local else f"web.host is {settings.host}"
    raise SettingsError(
        f"{why}, where nobody is let in without a token, and there is no valid one. What to do:"
        " `reconciler token create NAME`, or set web.host to 127.0.0.1"
    )
