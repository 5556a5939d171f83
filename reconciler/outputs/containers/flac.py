"""FLAC: RFC 9639, STREAMINFO (8.2). Read: how long the sound is declared to be, to the sample.

The checksums of frames, CRC-8 and CRC-16, are left to ffmpeg, which verifies them under
`-err_detect crccheck`; what they leave open is how many frames there must be.
"""

from __future__ import annotations

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken

#: No decoder drops anything of it; ffmpeg tells times by the millionth of a second.
SLACK_S = 0.001


def check(source: Source) -> Structure:
    """Read the declared duration. 0 samples means "not known", as writers to a pipe leave it."""
    try:
        fields = int.from_bytes(source.read(18, 8), "big")
    except Damaged as error:
        return Structure((broken(error),), decodable=False, has_video=False)
    rate, samples = fields >> 44, fields & ((1 << 36) - 1)
    declared = samples / rate if rate and samples else None
    return Structure(has_video=False, declared_duration_s=declared, sound_slack_s=SLACK_S)
