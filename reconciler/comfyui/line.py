"""The HTTP line to one server: a `requests` session whose one connection can be cut."""

from __future__ import annotations

import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.deadline import Deadline, hang_up


class CuttableAdapter(HTTPAdapter):
    """Transport of one request at a time, which another thread may cut."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        self._deadline: Deadline | None = None
        #: True once the request at hand had to connect; a connection kept alive may be stale.
        self.connected_anew = False
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def deadline(self, seconds: float) -> Deadline:
        """A limit for the request at hand, from connecting to its last byte."""
        self.connected_anew = False
        self._deadline = Deadline(seconds, self._cut)
        return self._deadline

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make pools whose connections report to this adapter."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            scheme: type(pool.__name__, (pool,), {"ConnectionCls": self._reporting(connection)})
            for scheme, pool, connection in (
                ("http", HTTPConnectionPool, HTTPConnection),
                ("https", HTTPSConnectionPool, HTTPSConnection),
            )
        }

    def _reporting(self, connection: Any) -> Any:
        adapter = self

        class Reporting(connection):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                adapter._connected(self)

        return Reporting

    def _connected(self, connection: HTTPConnection) -> None:
        # Kept here, since the connection forgets it once it knows that the answer is its last.
        self._line = connection.sock
        self.connected_anew = True
        # The deadline found nothing to cut while names were resolved and addresses tried.
        if self._deadline is not None and self._deadline.passed:
            raise ConnectTimeoutError(connection, "connecting took longer than the whole deadline")

    def _cut(self) -> None:
        hang_up(self._line)

    def close(self) -> None:
        """Close the connection now; the pool alone leaves that to the garbage collector."""
        super().close()
        hang_up(self._line)
        if self._line is not None:
            self._line.close()


class Session(requests.Session):
    """A session that sends what the address says, and nothing that it finds elsewhere."""

    def __init__(self, address: ServerAddress) -> None:
        super().__init__()
        # Else a ~/.netrc would replace our token, and a proxy meant for the web take our requests.
        self.trust_env = False
        self.adapter = CuttableAdapter()
        self.mount("http://", self.adapter)
        self.mount("https://", self.adapter)
        # Compressing costs ComfyUI's one interpreter more than the bytes are worth nearby.
        self.headers["Accept-Encoding"] = "identity"
        self.headers.update(address.request_headers)
        if address.tls_ca is not None:
            self.verify = str(address.tls_ca)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Redirects are not followed, so nothing reads their bodies either."""
        return
