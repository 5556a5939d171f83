"""What the checks of coded pictures have in common."""

from __future__ import annotations

from collections.abc import Callable

#: So many zero bytes in a row inside arithmetic-coded data stand for tens of thousands of choices
#: that all fell the likeliest way and were never coded together: no encoder writes that.
ZEROS = bytes(64)

#: Looks at one packet; gives the pictures that it shows (0 for one that is only referred to).
#: Raises Illegal.
Check = Callable[[bytes], int]


class Illegal(Exception):
    """The specification of the codec forbids what stands at byte `at` of a packet."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def insist_no_zeros(packet: bytes, start: int, end: int, where: str) -> None:
    """Raise Illegal where the coded data between two offsets was overwritten by zeros.

    Zeros up to the end of the data are left alone: some encoders fill a frame up with them.
    """
    at = packet.find(ZEROS, start, end)
    if at >= 0 and len(packet[at:end].lstrip(b"\0")):
        raise Illegal(f"a run of zeros inside {where}", at)
