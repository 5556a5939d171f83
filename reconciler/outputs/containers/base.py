"""What every structure check gets and gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.inspection import Defect

READ_AHEAD_BYTES = 4096
STEP_BYTES = 1024**2
#: Headers read in one file; a gif of a gigabyte has as many. A bound for files made to tire us.
MAX_READS = 8_000_000


class Damaged(Exception):
    """The structure is broken at a place; the message says how, in words for a person.

    `offset` is the byte of the file at which that was noticed, where one is known.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Structure:
    """What the structure of a file says."""

    defects: tuple[Defect, ...] = ()
    #: False where a decoder has nothing to hold on to, and need not be asked.
    decodable: bool = True
    #: Whether a picture can be expected in it (an mp4 may hold sound alone).
    has_video: bool = True
    #: Frames that the container declares and presents; None where it declares none.
    declared_frames: int | None = None
    #: What the decoder of the picture is told beforehand: the body of avcC, or Matroska's
    #: CodecPrivate; empty where the packets tell it themselves.
    setup: bytes = b""
    #: Seconds per frame as declared; for containers that round each time to milliseconds.
    declared_frame_s: float | None = None
    #: Seconds of sound that the container declares.
    declared_duration_s: float | None = None
    #: By how many seconds the sound may be shorter: decoders drop a frame of it at either end.
    sound_slack_s: float = 0.1


class Source:
    """An open file, read at given offsets: the shared position of its descriptor never moves.

    Headers lie close together, so what follows one is read with it.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size
        self._start = 0
        self._ahead = b""
        self._reads = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`.

        Raises Damaged where the file ends before them, or has more headers than a file can have.
        """
        self._reads += 1
        if self._reads > MAX_READS:
            raise Damaged(f"more than {MAX_READS} headers, which no real file has")
        if offset + length > self.size:  # before memory is asked for
            at = min(offset, self.size)
            raise Damaged(f"the file ends at byte {self.size}, in the middle of a header", at)
        begin = offset - self._start
        if begin < 0 or begin + length > len(self._ahead):
            self._ahead = os.pread(self.descriptor, max(length, READ_AHEAD_BYTES), offset)
            self._start, begin = offset, 0
        data = self._ahead[begin : begin + length]
        if len(data) < length:
            raise Damaged(f"the file ends at byte {self.size}, in the middle of a header", offset)
        return data

    def steps(self, start: int, end: int, step: int = STEP_BYTES) -> Iterator[bytes]:
        """Give the bytes between two offsets in pieces, for sums over much of a file."""
        while start < end:
            piece = os.pread(self.descriptor, min(step, end - start), start)
            if not piece:
                raise Damaged(f"the file ends at byte {start}, before byte {end}", start)
            yield piece
            start += len(piece)

    def head(self, length: int) -> bytes:
        """Return the first bytes, at most `length`."""
        return os.pread(self.descriptor, length, 0)


def broken(error: Damaged) -> Defect:
    """Turn a Damaged into the defect it describes."""
    return Defect("structure", str(error), offset=error.offset)


def trailing(source: Source, end: int) -> tuple[Defect, ...]:
    """Return a defect where bytes follow the end of the container at offset `end`."""
    extra = source.size - end
    if extra <= 0:
        return ()
    return (Defect("structure", f"{extra} bytes of something else after the end", offset=end),)
