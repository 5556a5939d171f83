"""What ffmpeg complains of while it decodes: each line tells of damage, unless known not to."""

from __future__ import annotations

import re

from reconciler.outputs.inspection import Defect
from reconciler.outputs.text import printable

#: `[h264 @ 0x55d0] [error] error while decoding MB 1 2`; several names may come first.
_LINE = re.compile(
    r"(?P<where>(?:\[[^\[\]]{1,80} @ 0x[0-9a-f]+\] ?)*)"
    r"\[(?P<level>warning|error|fatal|panic)\] (?P<text>.*)"
)
#: Complaints of sound files, as (who, what). Each has a file in the tests that provokes it.
_HARMLESS = tuple(
    (re.compile(who), re.compile(what))
    for who, what in (
        # a wav that does not say where its loudspeakers stand
        (r"aist#\d+:\d+/\w+", r"Guessed Channel Layout: \w+"),
        # a wav from a pipe, whose sizes nobody came back to write: we check them ourselves
        (r"in#0(/wav)?", r"Ignoring maximum wav data size, file may be invalid"),
        (r"in#0/wav", r"Packet corrupt \(stream = 0, dts = \w+\)\."),
        (r"in#0/wav", r"corrupt input packet in stream 0"),
        (r"in#0(/\w+)?", r"Estimating duration from bitrate, this may be inaccurate"),
        # full-range video: said by the scaler of our own thumbnail
        (r"swscaler", r"deprecated pixel format used, make sure you did set range correctly"),
        # avi stores no times: said by our own list of packets
        (r"framecrc", r"Timestamps are unset in a packet for stream \d+\. .*"),
        # a copy of a part, as cutters make it, has times to decode at that are only guessed; said
        # by our own list of packets, the decoder needs none
        (
            r"vost#1:\d+/copy",
            r"Non-monotonic DTS; previous: .*|Invalid DTS: .*, replacing by guess",
        ),
        # said by our own outputs for metadata, which holds no stream, and thumbnail
        (r"out#2/ffmetadata", r"Output file is empty, nothing was encoded"),
        # a track of time codes at a rate that no television has
        (r"in#0", r"Using non-standard frame rate \d+/\d+"),
        # what is attached is not decoded; the second is the end of the first, in a line of its own
        (
            r"in#0(/[\w,]+)?",
            r"Could not find codec parameters for stream \d+ \((Attachment|Data|Subtitle): .*",
        ),
        (r"", r"Consider increasing the value for the 'analyzeduration' .*"),
        # cover art, which has a track number and no clock
        (r"in#0|mov,mp4,m4a,3gp,3g2,mj2", r"stream \d+, timescale not set"),
    )
)
#: What ffmpeg says after it has said what is wrong; no news to a person.
_CONSEQUENCE = re.compile(r"Error opening input file.*|Error submitting packet to decoder.*")
#: The errors of a process at its limit of memory: no memory, or no thread for want of its stack.
_STARVED = ("Cannot allocate memory", "Resource temporarily unavailable")
MAX_KEPT = 3


class Complaints:
    """Reads what a decoder prints, line by line, and keeps what tells of damage."""

    def __init__(self) -> None:
        self.count = 0
        #: The decoder lacked memory, so that nothing it said tells of the file.
        self.starved = False
        self._kept: list[str] = []

    def take(self, line: bytes) -> None:
        """Read one line. One that cannot be read counts as a complaint: better too strict."""
        text = line.decode("utf-8", "backslashreplace").strip()
        if not text:
            return
        self.starved = self.starved or any(sign in text for sign in _STARVED)
        match = _LINE.fullmatch(text)
        where = _where(match["where"]) if match else ""
        said = match["text"] if match else text
        if any(w.fullmatch(where) and t.fullmatch(said) for w, t in _HARMLESS):
            return
        self.count += 1
        words = printable(f"{where}: {said}" if where else said)
        news = not self._kept or not _CONSEQUENCE.fullmatch(said)
        if news and len(self._kept) < MAX_KEPT and words not in self._kept:
            self._kept.append(words)

    def defects(self, status: int) -> tuple[Defect, ...]:
        """Return the defect that the complaints and the exit status of the decoder tell of."""
        if status < 0:
            return (Defect("decode", f"the decoder crashed on it (signal {-status})"),)
        if not self.count:
            words = f"the decoder gave up on it (exit status {status})"
            return (Defect("decode", words),) if status else ()
        more = self.count - len(self._kept)
        return (Defect("decode", "; ".join(self._kept) + (f"; and {more} more" if more else "")),)


def _where(names: str) -> str:
    """Return the last of the names in brackets: `[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2]`."""
    found = re.findall(r"\[([^\[\]]+) @ 0x", names)
    return found[-1].removeprefix("dec:") if found else ""
