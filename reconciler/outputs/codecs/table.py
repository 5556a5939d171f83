"""Which check belongs to which codec."""

from __future__ import annotations

from reconciler.outputs.codecs import av1, h264, hevc, mjpeg, prores, vp8
from reconciler.outputs.codecs.base import Check

#: By ffmpeg's names. The others say by themselves what is wrong: vp9 is decoded by a decoder that
#: insists on every byte (see `decoders`), ffv1 has checksums that ffmpeg is told to compare.
_CHECKS = {
    "hevc": hevc.check,
    "av1": av1.check,
    "vp8": vp8.check,
    "prores": prores.check,
    "mjpeg": mjpeg.check,
}


def check_of(codec: str | None, setup: bytes = b"") -> Check | None:
    """Return a check for one stream of that codec, or None where there is none.

    `setup` is what the container tells the decoder beforehand.
    """
    if codec == "h264":
        return h264.check(setup)
    make = _CHECKS.get(codec or "")
    return make() if make else None
