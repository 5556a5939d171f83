"""HEAD wherever there is GET: the same answer without its body."""

from __future__ import annotations

from reconciler.web.ending import App, Message, Receive, Scope, Send


class HeadAsGet:
    """Around the application, which knows nothing of HEAD."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Whatever would go on sending hears that who asked is gone, once the answer
        has begun: so streams end, too."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(_as_get(scope), receive, send_head)


def _as_get(scope: Scope) -> Scope:
    """Of HEAD a range is no part of the question (RFC 9110, section 14.2)."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
    return {**scope, "method": "GET", "headers": headers}
