"""Telling systemd how we are (sd_notify(3)): ready, alive, stopping. Nothing without systemd."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> bool:
    """Sends `READY=1`, `WATCHDOG=1`, `STOPPING=1` or `STATUS=...`. False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(message.encode(), address)
    except OSError:
        return False
    return True


def watchdog_interval_s() -> float | None:
    """How often systemd wants to hear `WATCHDOG=1`: half of WATCHDOG_USEC; None if never."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    watched_pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdigit() or watched_pid != str(os.getpid()):
        return None
    return int(microseconds) / 2e6
