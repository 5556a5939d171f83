"""Frame headers of MPEG audio: ISO/IEC 11172-3 (2.4.1.3, 2.4.2.3), ISO/IEC 13818-3 for low rates.

Low rates by half (MPEG-2) are the standard's, by a quarter (MPEG-2.5) Fraunhofer's addition.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

#: Kilobits per second: of MPEG-1 by layer, and of MPEG-2 and 2.5 (layer I; layers II and III).
_HIGH = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_LOW_1 = (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = (44100, 48000, 32000)
FREE_FORMAT, MONO = 0, 3


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame's header of four bytes says. `size_bytes` is 0 where the format is free."""

    size_bytes: int
    samples: int
    rate_hz: int
    #: Bytes between the header and the end of the side information of layer III.
    side_bytes: int


@lru_cache(maxsize=256)
def read_frame(header: bytes) -> Frame | None:
    """Read a header; None where these four bytes are none."""
    if header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate == 15 or rate == 3:
        return None
    low = version != 3
    rate_hz = _RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = {1: 384, 2: 1152, 3: 576 if low else 1152}[layer]
    side_bytes = ((9, 17) if low else (17, 32))[header[3] >> 6 != MONO]
    if bitrate == FREE_FORMAT:
        return Frame(0, samples, rate_hz, side_bytes)
    table = (_LOW_1 if layer == 1 else _LOW) if low else _HIGH[layer]
    slot_bytes = 4 if layer == 1 else 1
    slots = samples // 8 // slot_bytes * table[bitrate - 1] * 1000 // rate_hz + padding
    return Frame(slots * slot_bytes, samples, rate_hz, side_bytes)
