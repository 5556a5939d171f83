"""Since when the server's events have been reaching us."""

from reconciler.comfyui.socket import Listening


def test_nobody_listens_before_the_first_connection() -> None:
    assert Listening(gap_s=3.0).since(10.0) is None


def test_it_survives_a_short_gap_and_no_longer_one() -> None:
    listening = Listening(gap_s=3.0)
    listening.begin(10.0, 1)
    listening.end(70.0)
    assert listening.since(72.0) == 10.0
    listening.begin(72.5, 1)
    assert listening.since(500.0) == 10.0
    listening.end(500.0)
    assert listening.since(503.5) is None
    listening.begin(504.0, 1)
    assert listening.since(510.0) == 504.0


def test_a_gap_lasts_from_the_first_end_on() -> None:
    listening = Listening(gap_s=3.0)
    listening.begin(10.0, 0)
    listening.end(20.0)
    listening.end(22.5)  # an attempt in between failed
    listening.begin(23.5, 0)
    assert listening.since(24.0) == 23.5


def test_a_segment_that_missed_a_change_of_the_queue_was_deaf() -> None:
    listening = Listening(gap_s=3.0)
    listening.begin(10.0, 1)
    listening.heard(2)
    listening.end(70.0)
    listening.begin(70.1, 2)
    assert listening.since(80.0) == 10.0
    listening.end(130.0)
    listening.begin(130.1, 1)  # nobody told us that a prompt had ended
    assert listening.since(140.0) == 130.1
