"""AVIF pictures and sequences: ISO/IEC 23008-12 (HEIF) and AV1 Image File Format 1.1.

Checked: the boxes of the top level fill the file (14496-12, 4.2), and `meta` or `moov` is there;
a sequence (brand avis) declares its frames in the sample tables that videos have too.
"""

from __future__ import annotations

from reconciler.outputs.containers import iso_bmff, iso_boxes
from reconciler.outputs.containers.base import Damaged, Source, Structure, broken
from reconciler.outputs.inspection import Defect


def check(source: Source) -> Structure:
    """Check the boxes of an AVIF, and count the frames of a sequence."""
    if source.head(12)[8:12] == b"avis":
        return iso_bmff.check(source)
    try:
        kinds = {box.type for box in iso_boxes.children(source, 0, source.size)}
    except Damaged as error:
        return Structure((broken(error),), has_video=False)
    if b"meta" not in kinds:
        return Structure((Defect("structure", "meta box missing: no picture"),), has_video=False)
    return Structure(has_video=False)
