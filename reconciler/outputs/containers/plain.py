"""Stills whose structure is left to their decoder, but for what it passes over.

BMP: Microsoft, "Bitmap Storage", BITMAPFILEHEADER. Checked: the file is as long as it declares, and
its pixels begin inside it; a size of 0 is "unknown", as some writers leave it. TIFF: "TIFF Revision
6.0", 2. Checked: the first directory lies inside the file; Pillow insists on every strip.
"""

from __future__ import annotations

import struct

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing


def check_bmp(source: Source) -> Structure:
    """Compare the sizes in a bmp's header with the file."""
    try:
        size, _, pixels = struct.unpack("<III", source.read(2, 12))
    except Damaged as error:
        return Structure((broken(error),), has_video=False)
    if size > source.size:
        cut = Damaged(f"cut off: {source.size} of {size} bytes", source.size)
        return Structure((broken(cut),), has_video=False)
    if pixels >= source.size:
        lost = Damaged(f"pixels declared at byte {pixels}, behind the end", 10)
        return Structure((broken(lost),), has_video=False)
    return Structure(trailing(source, size) if size else (), has_video=False)


def check_tiff(source: Source) -> Structure:
    """Look for the first directory of a tiff."""
    try:
        order = "<" if source.read(0, 2) == b"II" else ">"
        (directory,) = struct.unpack(f"{order}I", source.read(4, 4))
        (entries,) = struct.unpack(f"{order}H", source.read(directory, 2))
        source.read(directory + 2, 12 * entries)
    except Damaged as error:
        return Structure((broken(error),), has_video=False)
    return Structure(has_video=False)
