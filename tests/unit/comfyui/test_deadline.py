"""The hard limit on an exchange."""

import threading

from reconciler.comfyui.deadline import Deadline


def test_it_cuts_when_the_time_is_over() -> None:
    cut = threading.Event()
    with Deadline(0.01, cut.set) as deadline:
        assert cut.wait(20)
        assert deadline.passed


def test_a_late_ring_does_not_cut_the_next_exchange() -> None:
    cut = threading.Event()
    with Deadline(3600.0, cut.set) as deadline:
        pass
    deadline._ring()  # the timer had gone off just as the block ended
    assert not cut.is_set()
    assert not deadline.passed
