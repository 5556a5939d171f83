"""Ogg: RFC 3533, pages (6). Checked: pages fill the file, and the last one says that it is last.

The checksums of pages are left to ffmpeg, which verifies them under `-err_detect crccheck`.
"""

from __future__ import annotations

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken
from reconciler.outputs.inspection import Defect

LAST_PAGE_FLAG = 0x04
#: Video in Ogg is Theora; nothing in ComfyUI writes it, and its first page says so.
THEORA = b"\x80theora"


def check(source: Source) -> Structure:
    """Walk the pages of a file. Raises nothing: what is broken becomes a defect."""
    video = THEORA in source.head(4096)
    offset, flags = 0, 0
    try:
        while offset < source.size:
            header = source.read(offset, 27)
            if header[:4] != b"OggS":
                raise Damaged(f"no page at byte {offset}, where one must begin")
            flags = header[5]
            stop = offset + 27 + header[26] + sum(source.read(offset + 27, header[26]))
            if stop > source.size:
                raise Damaged(f"page cut off: {source.size - offset} of {stop - offset} bytes")
            offset = stop
    except Damaged as error:
        return Structure((broken(error),), has_video=video)
    if not flags & LAST_PAGE_FLAG:
        return Structure((Defect("structure", "last page missing: cut off"),), has_video=video)
    return Structure(has_video=video)
