"""What is made of output files for people to see. Units are in the names."""

from __future__ import annotations

from typing import Annotated

from pydantic import ByteSize, Field

from reconciler.settings.fields import Bytes, Count, Section

#: Longest side of a frame, in pixels. More would not fit into an answer of the decoding process.
Pixels = Annotated[Count, Field(ge=32, le=640)]


class PreviewSettings(Section):
    """Pictures of output files, made when somebody asks for them, and kept in `data_dir`."""

    #: Contact sheets of twelve frames.
    sheet: bool = True
    #: Short animations.
    animation: bool = True
    #: What ComfyUI's sampler shows while a job runs.
    live: bool = True
    sheet_px: Pixels = 320
    animation_px: Pixels = 320
    #: Of all that are kept.
    cache_bytes: Bytes = ByteSize(2**30)
    #: That wait to be made; whoever asks for more is told to come again.
    queue: Annotated[Count, Field(le=10_000)] = 64
