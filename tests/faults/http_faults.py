"""The ways in which a ComfyUI server, or what stands before it, misbehaves."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from contextlib import suppress

from tests.faults.http_proxy import WITHOUT_HANDSHAKE, Manner, Visit

_MIB = 2**20
_HTML = b"<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"


def holds(visit: Visit) -> None:
    """Takes the question and says nothing."""
    visit.over.wait()


def slow(seconds: float) -> Manner:
    """Answers rightly, and too late."""

    def manner(visit: Visit) -> None:
        if not visit.over.wait(seconds):
            visit.pass_on()

    return manner


def error_page(status: str) -> Manner:
    """A proxy's page."""
    return lambda visit: visit.say(_HTML, "Content-Type: text/html", status=status)


def cut(visit: Visit) -> None:
    """Breaks off in the middle of the JSON, whose length it had promised."""
    status, headers, body = visit.ask()
    visit.say(body[: len(body) // 2], *headers, status=status, length=len(body))
    visit.hang_up()


def half(visit: Visit) -> None:
    """Half of the JSON, as if it were all."""
    status, headers, body = visit.ask()
    visit.say(body[: len(body) // 2], *headers, status=status)


def too_short(visit: Visit) -> None:
    """Promises less than it sends: what is left over lies before the next answer."""
    status, headers, body = visit.ask()
    visit.say(body, *headers, status=status, length=max(len(body) - 7, 0))


def too_long(visit: Visit) -> None:
    """Promises more than it sends, and leaves the connection open."""
    status, headers, body = visit.ask()
    visit.say(body, *headers, status=status, length=len(body) + 100)
    visit.over.wait()


def large(megabytes: int) -> Manner:
    """A queue of so many megabytes, in JSON that is whole."""
    entry = json.dumps([0, "0" * 36, {"1": {"inputs": {"text": "x" * 1000}}}, {}, ["1"]]).encode()
    entries = megabytes * _MIB // (len(entry) + 1)

    def manner(visit: Visit) -> None:
        head, tail = b'{"queue_running":[],"queue_pending":[', entry + b"]}"
        visit.say(head, length=len(head) + entries * (len(entry) + 1) + len(tail))
        for _ in range(entries):
            visit.line.sendall(entry + b",")
        visit.line.sendall(tail)

    return manner


def dense(megabytes: int) -> Manner:
    """As many values as fit: each takes twenty times its length in memory."""
    body = b"[" + b"{}," * (megabytes * _MIB // 3) + b"{}]"
    return lambda visit: visit.say(body)


def endless(visit: Visit) -> None:
    """Answers for ever, as fast as it is read."""
    visit.line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not visit.over.is_set():
        visit.line.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def redirects(visit: Visit) -> None:
    """Sends everybody to a page to sign in."""
    visit.say(b"", "Location: /login", status="302 Found")


def bomb(megabytes: int, layers: int) -> Manner:
    """Zeros, packed again and again."""
    body = bytes(megabytes * _MIB)
    for _ in range(layers):
        body = gzip.compress(body, 1)
    encoding = "Content-Encoding: " + ", ".join(["gzip"] * layers)
    return lambda visit: visit.say(body, encoding)


def unauthorized(visit: Visit) -> None:
    """Asks who we are."""
    visit.say(b"", 'WWW-Authenticate: Basic realm="ComfyUI"', status="401 Unauthorized")


def gibberish(visit: Visit) -> None:
    """Speaks something else than HTTP."""
    visit.line.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def empty(visit: Visit) -> None:
    """200, and nothing."""
    visit.say(b"")


def only(part: str, manner: Manner) -> Manner:
    """Misbehaves where the path has this in it, and is honest elsewhere."""
    return lambda visit: manner(visit) if part in visit.path else visit.pass_on()


def rewritten(part: str, rewrite: Callable[[object], object]) -> Manner:
    """Another version's answers: what it says, in another shape."""

    def manner(visit: Visit) -> None:
        status, headers, body = visit.ask()
        with suppress(ValueError):
            body = json.dumps(rewrite(json.loads(body))).encode()
        visit.say(body, *headers, status=status)

    return only(part, manner)


#: Shapes in which no known version answers.
OTHER_HISTORIES: dict[str, Callable[[object], object]] = {
    "below a key": lambda answer: {"history": answer, "total": 1},
    "as a list": lambda answer: [*answer.values()] if isinstance(answer, dict) else answer,
    "other words": lambda answer: (
        {key: {"state": "done", "results": [], "workflow": {}} for key in answer}
        if isinstance(answer, dict)
        else answer
    ),
}


def frame(payload: bytes, opcode: int = 1, length: int | None = None) -> bytes:
    """A websocket's frame from a server; `length` is what it claims."""
    claimed = len(payload) if length is None else length
    return bytes([0x80 | opcode, 127]) + struct.pack(">Q", claimed) + payload


def status_message(queue_remaining: int = 0) -> bytes:
    """What ComfyUI sends whenever its queue changes."""
    status = {"status": {"exec_info": {"queue_remaining": queue_remaining}}}
    return json.dumps({"type": "status", "data": status}).encode()


def _progress(step: int) -> bytes:
    data = {"value": step % 100, "max": 100, "prompt_id": "nobody's", "node": "1"}
    return json.dumps({"type": "progress", "data": data}).encode()


def silent(visit: Visit) -> None:
    """Stays open and never speaks again."""
    visit.over.wait()


def flood(per_second: int, messages: tuple[bytes, ...] = ()) -> Manner:
    """So many messages a second, of all that ComfyUI sends."""
    texts = messages or (status_message(1), _progress(3), _progress(4), b'{"type":"crystools"}')
    batch = b"".join(frame(text) for text in texts) * (per_second // 50 // len(texts))

    def manner(visit: Visit) -> None:
        while not visit.over.wait(0.02):
            visit.line.sendall(batch)

    return manner


def garbage(visit: Visit) -> None:
    """Frames that are none of ComfyUI's, and bytes that are no frames."""
    for payload in (b"\xff\xfe", b"[]", b"null", b"{" * 5000, b'{"type":1}', b'{"type":"status"}'):
        visit.line.sendall(frame(payload) + frame(payload, opcode=2))
    visit.line.sendall(bytes(range(256)) * 4)
    visit.over.wait()


def huge_frame(visit: Visit) -> None:
    """A frame that claims to be of an exabyte, and comes."""
    visit.line.sendall(frame(b"", length=2**60))
    while not visit.over.is_set():
        visit.line.sendall(bytes(65536))


def no_handshake(visit: Visit) -> None:
    """A header that never ends, in place of the handshake."""
    while not visit.over.is_set():
        visit.line.sendall(bytes(65536))


WITHOUT_HANDSHAKE.add(no_handshake)
