"""Messages between the pool and a worker: JSON behind its length, and with it an open file.

Neither end trusts the other: lengths are bounded, and what is no JSON object is refused.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from typing import Any, NoReturn

#: An answer holds a thumbnail of at most a MiB, in base64, and some words.
MAX_BYTES = 4 * 1024**2
_LENGTH = struct.Struct("!I")

Message = dict[str, Any]


class Closed(Exception):
    """The other end is gone."""


class Garbled(Exception):
    """The other end sent what is no message; the text says in which way."""


def send(line: socket.socket, message: Message, file: int | None = None) -> None:
    """Send a message, and with it an open file. Raises Closed and TimeoutError."""
    data = json.dumps(message).encode("ascii")
    try:
        socket.send_fds(line, [_LENGTH.pack(len(data))], [] if file is None else [file])
        line.sendall(data)
    except ConnectionError as error:
        raise Closed from error


def receive(line: socket.socket, deadline: float | None = None) -> Message:
    """Wait for a message, until `deadline` of the monotonic clock.

    Raises Closed, Garbled, and TimeoutError.
    """
    return _message(line, _exactly(line, _LENGTH.size, deadline), deadline)


def receive_file(line: socket.socket) -> tuple[Message, int]:
    """Wait, as long as it takes, for a message that brings an open file. Raises as `receive`."""
    head, files, _, _ = socket.recv_fds(line, _LENGTH.size, 1, socket.MSG_CMSG_CLOEXEC)
    if not head:
        raise Closed
    if not files:
        raise Garbled("no file came with it")
    try:
        return _message(line, head, None), files[0]
    except BaseException:
        os.close(files[0])
        raise


def _message(line: socket.socket, head: bytes, deadline: float | None) -> Message:
    (length,) = _LENGTH.unpack(head)
    if length > MAX_BYTES:
        raise Garbled(f"a message of {length} bytes, more than the {MAX_BYTES} allowed")
    try:
        message = json.loads(_exactly(line, length, deadline), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"no JSON: {error}") from error
    if not isinstance(message, dict):
        raise Garbled("no JSON object")
    return message


def _exactly(line: socket.socket, length: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < length:
        if deadline is not None:
            if (left_s := deadline - time.monotonic()) <= 0:  # also where words never cease
                raise TimeoutError
            line.settimeout(left_s)
        try:
            piece = line.recv(length - len(data))
        except ConnectionError as error:
            raise Closed from error
        if not piece:
            raise Closed
        data += piece
    return bytes(data)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
