"""The web interface in a thread of its own, with a loop and connections to the database of its own.

Nothing that fails here ends or holds up anything else in the process: it is said, and tried again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from reconciler.errors import ReconcilerError
from reconciler.settings import Settings
from reconciler.store.existing import open_existing
from reconciler.web.listening import listen, url_of

if TYPE_CHECKING:
    import socket

    import uvicorn

    from reconciler.previews.sampling import Sampling

log = structlog.get_logger(__name__)

#: A stop takes no longer, in seconds; the end of the feed no longer than that.
STOP_S, FEED_S = 3.0, 1.5
#: Before what failed is tried again: first and longest wait, in seconds.
RETRY_S = (1.0, 30.0)


class WebServer:
    """Starts when it is told to, and goes on until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        *,
        in_service: bool = False,
        idle_s: Callable[[], float | None] = lambda: None,
        verdict_waits: Callable[[], bool] = lambda: False,
        sampling: Sampling | None = None,
    ) -> None:
        """`idle_s` tells for how long the passes of this process have given no sign of life; None
        where there are none. `verdict_waits` and `sampling` are for previews (see `WebContext`)."""
        self._settings = settings
        self._in_service = in_service
        self._idle_s = idle_s
        self._verdict_waits = verdict_waits
        self._sampling = sampling
        self._stopping = threading.Event()
        self._server: uvicorn.Server | None = None
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._url: str | None = None
        self._failure: BaseException | None = None
        self._wait_s = RETRY_S[0]
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def url(self) -> str | None:
        """Where it is found; None while it is not there."""
        return self._url

    @property
    def failure(self) -> BaseException | None:
        """Why it is not there; None while nothing has failed."""
        return self._failure

    def start(self) -> None:
        """Begins to serve, in a while: importing it all alone takes a second. Returns at once."""
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Waits until it serves, or has failed to. True if it serves."""
        with self._changed:
            self._changed.wait_for(lambda: self._url or self._failure, timeout_s)
        return self._url is not None

    def stop(self) -> None:
        """Asks it to end. Returns at once; may be called from any thread, and twice."""
        self._stopping.set()
        with self._lock:
            if self._server is not None:
                self._server.should_exit = True

    def close(self) -> None:
        """Stops, and waits for it as long as that may take."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except BaseException as error:  # also what a library takes for a reason to exit
                self._note_failure(error)
                self._stopping.wait(self._wait_s)
                self._wait_s = min(self._wait_s * 2, RETRY_S[1])

    def _serve(self) -> None:
        """Serves until told to stop."""
        # In here: what cannot be imported ends nothing else, and nobody waits for it.
        from reconciler.web.app import create_app
        from reconciler.web.context import WebContext
        from reconciler.web.database import Stores, hurried
        from reconciler.web.protocol import server_of
        from reconciler.web.security.tokens import require_token

        web = self._settings.web
        stores = Stores(lambda: open_existing(hurried(self._settings)))
        context = WebContext(
            self._settings,
            stores,
            self._in_service,
            self._idle_s,
            verdict_waits=self._verdict_waits,
            sampling=self._sampling,
        )
        try:
            require_token(web, stores)
            server = server_of(create_app(context))
            with listen(web.host, web.port) as listening:
                with self._lock:
                    self._server = server
                    server.should_exit = self._stopping.is_set()
                if not self._stopping.is_set():  # else nobody wants to hear it any more
                    self._note_url(listening)
                asyncio.run(server.serve(sockets=[listening]))
        finally:
            self._url = None
            context.live.feed.close()
            context.pictures.close()
            stores.close()
            # What is embedded stops with us, where nobody is connected to it.
            context.live.feed.wait_closed(FEED_S)
        if not self._stopping.is_set():
            raise RuntimeError("the server ended by itself")

    def _note_url(self, listening: socket.socket) -> None:
        url, port = url_of(listening), listening.getsockname()[1]
        wanted = self._settings.web.port
        if wanted not in (0, port):
            log.warning("port taken: the next free one is used", wanted=wanted, port=port)
        log.info("web interface", url=url)
        self._wait_s = RETRY_S[0]
        self._note(url, None)

    def _note_failure(self, error: BaseException) -> None:
        if repr(error) != repr(self._failure):  # once
            is_expected = isinstance(error, ReconcilerError)
            log.error(
                "no web interface; trying again, while everything else goes on",
                error=str(error) or repr(error),
                exc_info=None if is_expected else error,
            )
        self._note(None, error)

    def _note(self, url: str | None, failure: BaseException | None) -> None:
        with self._changed:
            self._url, self._failure = url, failure
            self._changed.notify_all()
