"""What samplers show while jobs run: fetched while somebody looks, and else not."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import structlog

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.sampling import NoPack, SamplingClient
from reconciler.errors import ServerAnswer, ServerError, ServerRefused
from reconciler.previews.refusals import NoPreview
from reconciler.settings import ServerSettings, Settings

log = structlog.get_logger(__name__)

#: Who has not asked for so long looks no more, in seconds.
LOOKS_S = 5.0
#: Between two questions about one prompt, in seconds.
EVERY_S = 1.0
#: A question that is cut at the end is waited for so long, in seconds.
CLOSE_S = 2.0
#: Prompts of one server that are watched at once: it runs one.
MOST_WATCHED = 4
_NOTHING = (
    "nothing is shown: the sampler has not begun, or ComfyUI's previews are off. Starting"
    " it with --preview-method auto switches them on"
)
_NO_PACK = (
    "the server has no node pack that shows what the sampler does: install it, or a newer one"
    " (docs/node-pack.md)"
)


@dataclass
class _Watch:
    """One prompt that somebody looks at. Times: monotonic seconds."""

    asked_at: float
    fetched_at: float = float("-inf")
    picture: bytes | None = None
    #: Why there is no picture.
    reason: str | None = None


class Sampling:
    """The newest picture of each prompt that is looked at. Thread-safe.

    A thread for each server that somebody looks at asks it once a second, over a connection of its
    own, and ends soon after the last one has looked away.
    """

    def __init__(self, settings: Settings) -> None:
        self._is_on = settings.previews.live
        self._comfyui = settings.comfyui
        self._servers = {server.name: server for server in settings.servers}
        self._changed = threading.Condition()
        self._watched: dict[str, dict[str, _Watch]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._clients: dict[str, SamplingClient] = {}
        self._closed = False

    def ask(self, server: str, prompt_id: str) -> bytes | None:
        """The newest picture, as JPEG or PNG; None: it has been asked for, ask again.

        Raises NoPreview where there is none; the message says why.
        """
        if not self._is_on:
            raise NoPreview("previews.live is switched off in the settings")
        if server not in self._servers:
            raise NoPreview(f"another agent watches the server {server!r}: open its own page")
        with self._changed:
            watched = self._watched.setdefault(server, {})
            watch = watched.pop(prompt_id, None) or _Watch(0.0)
            watched[prompt_id] = watch  # the last one asked for stands last
            watch.asked_at = time.monotonic()
            if len(watched) > MOST_WATCHED:
                del watched[next(iter(watched))]
            self._begin(server)
            if watch.picture is None and watch.reason is not None:
                raise NoPreview(watch.reason)
            return watch.picture

    def close(self) -> None:
        """Asks nothing more, and waits for no answer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            threads, clients = list(self._threads.values()), list(self._clients.values())
        for client in clients:
            client.cut()
        for thread in threads:
            thread.join(CLOSE_S)

    def _begin(self, server: str) -> None:
        if server not in self._threads and not self._closed:
            thread = threading.Thread(
                target=self._run, args=(server,), name=f"sampling {server}", daemon=True
            )
            self._threads[server] = thread
            thread.start()
        self._changed.notify_all()

    def _run(self, server: str) -> None:
        client = self._client(self._servers[server])
        with self._changed:
            self._clients[server] = client
        try:
            while (due := self._next(server)) is not None:
                self._fetch(client, *due)
        finally:
            client.close()

    def _next(self, server: str) -> tuple[str, _Watch] | None:
        """Whose picture is to be fetched now; None when nobody looks any more."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                watched = {
                    prompt_id: watch
                    for prompt_id, watch in self._watched[server].items()
                    if now - watch.asked_at < LOOKS_S
                }
                self._watched[server] = watched
                if not watched:
                    break
                prompt_id, watch = min(watched.items(), key=lambda one: one[1].fetched_at)
                wait_s = watch.fetched_at + EVERY_S - now
                if wait_s <= 0:
                    return prompt_id, watch
                self._changed.wait(wait_s)
            self._threads.pop(server, None)
            return None

    def _fetch(self, client: SamplingClient, prompt_id: str, watch: _Watch) -> None:
        picture, reason = watch.picture, None
        try:
            picture = client.preview(prompt_id)
            reason = _NOTHING
        except NoPack:
            picture, reason = None, _NO_PACK
        except ServerRefused:
            picture, reason = None, "the server does not answer"
        except ServerAnswer as error:
            picture, reason = None, str(error)
        except ServerError:  # while a node computes that is normal: the last picture stands
            reason = "the server has not answered yet: while a node computes that is normal"
        except Exception:  # a defect of ours must not end the watching
            log.exception("a sampling preview could not be fetched", server=client.address.name)
            picture, reason = None, "a defect: its log tells more"
        with self._changed:
            watch.fetched_at = time.monotonic()
            watch.picture, watch.reason = picture, reason

    def _client(self, server: ServerSettings) -> SamplingClient:
        address = ServerAddress(
            name=server.name,
            url=server.url,
            headers=server.request_headers(),
            tls_ca=server.tls_ca,
        )
        return SamplingClient(
            address,
            connect_timeout_s=self._comfyui.connect_timeout_s,
            timeout_s=self._comfyui.timeout_s,
        )
