"""Messages between the pool and a worker: what an end that was taken over cannot do."""

from __future__ import annotations

import socket
import time

import pytest

from reconciler.outputs import wire


def test_an_end_that_never_ceases_to_talk_is_not_heard_beyond_the_deadline() -> None:
    here, there = socket.socketpair()
    with here, there:
        wire.send(there, {"progress": {}})
        wire.send(there, {"progress": {}})
        assert wire.receive(here, time.monotonic() + 60) == {"progress": {}}
        with pytest.raises(TimeoutError):
            wire.receive(here, time.monotonic() - 1)
