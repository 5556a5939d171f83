"""WAV: RIFF with a `fmt ` and a `data` chunk. Checked: both are there and fill the file."""

from __future__ import annotations

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing
from reconciler.outputs.containers.riff import chunks, form
from reconciler.outputs.inspection import Defect


def check(source: Source) -> Structure:
    """Check the chunks of a WAV. A size of all ones is a pipe's, and means "to the end"."""
    try:
        outer = form(source)
        kinds = {chunk.type for chunk in chunks(source, outer.body, outer.end)}
    except Damaged as error:
        return Structure((broken(error),), has_video=False)
    missing = [kind for kind in ("fmt ", "data") if kind.encode() not in kinds]
    defects = [Defect("structure", f"{kind.strip()} chunk missing") for kind in missing]
    ending = trailing(source, outer.end + outer.end % 2)
    return Structure((*defects, *ending), has_video=False)
