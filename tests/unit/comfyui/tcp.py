"""A bare TCP server that says whatever a test wants, and waiting for conditions."""

import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

Talk = Callable[["Visit"], None]
DEADLINE_S = 20.0


class Visit:
    """One connection that a client made: number 1 is the first."""

    def __init__(self, number: int, line: socket.socket, over: threading.Event) -> None:
        self.number = number
        self.line = line
        self.over = over

    def request(self) -> bytes:
        """One request without a body, or with a short one; empty once the client has gone."""
        head = b""
        while b"\r\n\r\n" not in head and (more := self.line.recv(4096)):
            head += more
        return head

    def answer(self, body: bytes, *headers: str, status: str = "200 OK") -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        self.line.sendall("\r\n".join(lines).encode() + body)

    def drip(self, data: bytes = b"x") -> None:
        """A byte every few milliseconds, for ever."""
        for byte in itertools.cycle(data):
            if self.over.wait(0.02):
                return
            self.line.sendall(bytes([byte]))

    def say_nothing(self) -> None:
        self.over.wait(DEADLINE_S)


class TcpServer:
    """Runs `talk` for every connection, each in a thread of its own."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None = None) -> None:
        self._talk = talk
        self._tls = tls
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self.visits = 0
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads[0].start()

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(DEADLINE_S)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                self.visits += 1
                visitor = threading.Thread(target=self._serve, args=(self.visits, line))
                self._threads.append(visitor)
                visitor.start()

    def _serve(self, number: int, line: socket.socket) -> None:
        with line, suppress(OSError):
            if self._tls is None:
                self._talk(Visit(number, line, self._over))
            else:
                with self._tls.wrap_socket(line, server_side=True) as secured:
                    self._talk(Visit(number, secured, self._over))


@contextmanager
def serving(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[TcpServer]:
    with closing(TcpServer(talk, tls)) as server:
        yield server


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue of connections is full: whoever connects hears nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for line in waiting:
            line.setblocking(False)
            line.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for line in waiting:
                line.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], bool]) -> None:
    """Until the condition holds; fails after `DEADLINE_S`."""
    pause = threading.Event()
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        pause.wait(0.005)
