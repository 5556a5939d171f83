"""WebP: RFC 9649, container (2). Checked: chunks fill the file; pictures are there and counted."""

from __future__ import annotations

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing
from reconciler.outputs.containers.riff import chunks, form
from reconciler.outputs.inspection import Defect

ANIMATION_FLAG = 0x02


def check(source: Source) -> Structure:
    """Check the chunks of a WebP and count the frames of an animation."""
    try:
        outer = form(source)
        inside = list(chunks(source, outer.body, outer.end))
    except Damaged as error:
        return Structure((broken(error),), has_video=is_animated(source))
    kinds = [chunk.type for chunk in inside]
    defects = [*trailing(source, outer.end + outer.end % 2)]
    if not {b"VP8 ", b"VP8L", b"ANMF"} & set(kinds):
        defects.append(Defect("structure", "no picture: neither VP8, VP8L nor ANMF chunk"))
    animated = is_animated(source)
    frames = kinds.count(b"ANMF") if animated else None
    return Structure(tuple(defects), has_video=animated, declared_frames=frames)


def is_animated(source: Source) -> bool:
    """Tell an animation from a still by the flags of its VP8X chunk (2.7.1)."""
    head = source.head(21)
    return head[12:16] == b"VP8X" and len(head) == 21 and bool(head[20] & ANIMATION_FLAG)
