"""Puts the guard before an application."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from reconciler.web.context import WebContext
from reconciler.web.heads import HeadAsGet
from reconciler.web.security.csrf import csrf_token
from reconciler.web.security.guard import Guard
from reconciler.web.security.identify import Doorkeeper
from reconciler.web.security.keyring import Keyring
from reconciler.web.security.keys import signer_of


class GuardedApp(FastAPI):
    """An application whose every answer passes the guard, those to defects included."""

    def __init__(self, context: WebContext, **described: Any) -> None:
        super().__init__(**described)
        signer = signer_of(context.settings.data_dir)
        self.state.context = context
        self.state.signer = signer
        self.state.csrf_token = csrf_token
        self.state.doorkeeper = Doorkeeper(context.settings.web, Keyring(context.stores), signer)

    def build_middleware_stack(self) -> Any:
        """Whoever is trusted to speak for others is heard first, then the guard."""
        web = self.state.context.settings.web
        application = HeadAsGet(super().build_middleware_stack())
        guard: Any = Guard(application, web, self.state.doorkeeper)
        proxies = list(web.trusted_proxies)
        return ProxyHeadersMiddleware(guard, proxies) if proxies else guard
