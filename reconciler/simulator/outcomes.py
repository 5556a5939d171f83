"""How a prompt is told to end: the script, of which the simulator is only the player."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The input `outcome` of a `SimulatedRender` node: what is to happen to its prompt."""

    SUCCESS = "success"
    #: A node raises halfway through its sampling.
    ERROR = "error"
    #: The same, with torch's exception for a full GPU.
    OUT_OF_MEMORY = "out_of_memory"
    #: A node never returns and hears no interrupt: only the end of the process helps.
    HANG = "hang"
    #: Samples for ever, with progress, until someone interrupts it.
    ENDLESS = "endless"
    #: The process dies halfway through the encode: queue and history are gone, a partial file is
    #: left, connections are refused for `restart_after_s`.
    CRASH = "crash"
    #: The process dies right after it has closed the file: that is whole, and nobody says so.
    CRASH_SAVED = "crash_saved"
    #: An exception kills the worker thread: HTTP goes on, nothing runs any more (a zombie).
    DEAD_WORKER = "dead_worker"
    #: Success, and the file on disk lacks its last part (an mp4's moov box, unless it is in front).
    TRUNCATED = "truncated"
    #: Success, and the file is whole but one frame too short.
    SHORT = "short"
    #: Success, and the file vanishes before anyone is told of it.
    DELETED = "deleted"
    #: Success of an earlier prompt with the same inputs: its files are listed, none is written.
    CACHED = "cached"
    #: Success without any output.
    NO_OUTPUT = "no_output"
    #: Success, and every HTTP answer is late by `delay_s` while it samples.
    SLOW_ANSWERS = "slow_answers"
    #: Success, and every websocket that is open when it starts never speaks again.
    FROZEN_SOCKETS = "frozen_sockets"


class Saver(StrEnum):
    """Which node's files and history entry a `SimulatedRender` imitates."""

    SAVE_VIDEO = "SaveVideo"
    VHS_VIDEO_COMBINE = "VHS_VideoCombine"
    SAVE_IMAGE = "SaveImage"


#: Outcomes that raise, stop or wait halfway through the sampling.
BREAKS_OFF = frozenset({Outcome.ERROR, Outcome.OUT_OF_MEMORY, Outcome.HANG, Outcome.DEAD_WORKER})
