"""What a server's sampler shows of a running prompt, by the node pack's own route."""

from __future__ import annotations

from comfy_node.contract import MAX_PREVIEW_BYTES, PREVIEW_PATH
from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.transport import NoContent, NoSuchRoute, Transport
from reconciler.errors import ServerAnswer

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


class NoPack(ServerAnswer):
    """The server has no such route: no node pack, or one that is older."""


class SamplingClient:
    """One server, over a connection of its own: a picture holds up no look. For one thread."""

    def __init__(self, address: ServerAddress, *, connect_timeout_s: float, timeout_s: float):
        self.address = address
        self._timeout_s = timeout_s
        self._http = Transport(address, connect_timeout_s, timeout_s, 2**16)

    def preview(self, prompt_id: str) -> bytes | None:
        """The newest picture, JPEG or PNG; None: the prompt does not run there, or shows none.

        Raises NoPack, ServerRefused, ServerTimeout and ServerAnswer.
        """
        query = {"prompt_id": prompt_id}
        try:
            with self._http.streamed(PREVIEW_PATH, query, self._timeout_s) as (_, chunks):
                picture = bytearray()
                for chunk in chunks:
                    picture += chunk
                    if len(picture) > MAX_PREVIEW_BYTES:
                        raise ServerAnswer(f"{self.address} sent a picture that is far too large")
        except NoContent:
            return None
        except NoSuchRoute as error:
            raise NoPack(str(error)) from error
        if not picture.startswith(_PICTURES):
            raise ServerAnswer(f"{self.address} sent something else than a picture")
        return bytes(picture)

    def cut(self) -> None:
        """Break off what another thread waits for."""
        self._http.cut()

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()
