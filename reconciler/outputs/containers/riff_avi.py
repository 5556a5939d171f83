"""AVI: Microsoft, "AVI RIFF File Reference", and OpenDML 1.02 for files of several RIFFs.

Checked: the RIFFs fill the file, `movi` is there, and the stream header's length is the number of
frames that the container declares.
"""

from __future__ import annotations

import struct

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken
from reconciler.outputs.containers.riff import Chunk, chunks, form
from reconciler.outputs.inspection import Defect

MAX_RIFFS = 1000


def check(source: Source) -> Structure:
    """Check the RIFFs of a file and read how many frames its video stream declares."""
    try:
        inside = _inside(source)
        lists = {source.read(c.body, 4): c for c in inside if c.type == b"LIST"}
        frames = _video_length(source, lists[b"hdrl"]) if b"hdrl" in lists else None
    except Damaged as error:
        return Structure((broken(error),))
    missing = [kind.decode() for kind in (b"hdrl", b"movi") if kind not in lists]
    defects = tuple(Defect("structure", f"{kind} list missing") for kind in missing)
    if frames == 0:
        defects += (Defect("structure", "declares 0 frames: its writer never finished it"),)
    return Structure(defects, declared_frames=frames or None)


def _inside(source: Source) -> list[Chunk]:
    inside: list[Chunk] = []
    offset = 0
    for _ in range(MAX_RIFFS):
        if offset >= source.size:
            return inside
        if source.read(offset, 4) != b"RIFF":
            raise Damaged(f"{source.size - offset} bytes of something else at byte {offset}")
        outer = form(source, offset)
        inside.extend(chunks(source, outer.body, outer.end))
        offset = outer.end + outer.end % 2
    raise Damaged(f"more than {MAX_RIFFS} RIFFs in one file")


def _video_length(source: Source, header: Chunk) -> int | None:
    for part in chunks(source, header.body + 4, header.end):
        if part.type != b"LIST" or source.read(part.body, 4) != b"strl":
            continue
        for chunk in chunks(source, part.body + 4, part.end):
            if chunk.type == b"strh" and source.read(chunk.body, 4) == b"vids":
                (length,) = struct.unpack("<I", source.read(chunk.body + 32, 4))
                return int(length)
    return None
