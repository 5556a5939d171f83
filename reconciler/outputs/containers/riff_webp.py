"""WebP: RFC 9649, container (2).

Checked: chunks fill the file; what VP8X promises is there, and nothing against it; pictures are
there and counted, lie inside the canvas, and the coded data of each is used up (`webp_codes`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing
from reconciler.outputs.containers.riff import Chunk, chunks, form
from reconciler.outputs.containers.webp_codes import CODED, insist_used_up, size
from reconciler.outputs.inspection import Defect

ANIMATION_FLAG, XMP_FLAG, EXIF_FLAG, ICC_FLAG = 0x02, 0x04, 0x08, 0x20
#: Chunks that a flag of VP8X announces (2.7).
PROMISED = {b"ANIM": ANIMATION_FLAG, b"XMP ": XMP_FLAG, b"EXIF": EXIF_FLAG, b"ICCP": ICC_FLAG}
FRAME_HEADER_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where one frame of an animation is shown, and how large."""

    x: int
    y: int
    width: int
    height: int


def check(source: Source) -> Structure:
    """Check the chunks of a WebP, count the frames of an animation, and probe each picture."""
    animated = is_animated(source)
    try:
        outer = form(source)
        inside = list(chunks(source, outer.body, outer.end))
    except Damaged as error:
        return Structure((broken(error),), has_video=animated)
    frames = sum(chunk.type == b"ANMF" for chunk in inside)
    return Structure(
        (*trailing(source, outer.end + outer.end % 2), *_wrong(source, inside, animated)),
        has_video=animated,
        declared_frames=frames if animated else None,
    )


def is_animated(source: Source) -> bool:
    """Tell an animation from a still by the flags of its VP8X chunk (2.7.1)."""
    head = source.head(21)
    return head[12:16] == b"VP8X" and len(head) == 21 and bool(head[20] & ANIMATION_FLAG)


def _wrong(source: Source, inside: list[Chunk], animated: bool) -> Iterator[Defect]:
    """Give what is wrong with the chunks, and the first picture that is."""
    kinds = {chunk.type for chunk in inside}
    if not {*CODED, b"ANMF"} & kinds:
        yield Defect("structure", "no picture: neither VP8, VP8L nor ANMF chunk")
    try:
        canvas = None
        if inside and inside[0].type == b"VP8X":
            canvas = _canvas(source, inside[0])
            _insist_promised(source, inside[0], kinds)
        _insist_pictures(source, inside, animated, canvas)
    except Damaged as error:
        yield broken(error)


def _canvas(source: Source, header: Chunk) -> tuple[int, int]:
    """Return width and height of the canvas (2.7.1)."""
    fields = source.read(header.body, 10)
    return 1 + int.from_bytes(fields[4:7], "little"), 1 + int.from_bytes(fields[7:10], "little")


def _insist_promised(source: Source, header: Chunk, kinds: set[bytes]) -> None:
    flags = source.read(header.body, 1)[0]
    for kind, flag in PROMISED.items():
        if flags & flag and kind not in kinds:
            name = kind.decode().strip()
            raise Damaged(f"{name} chunk missing, which the header promises", header.body)


def _insist_pictures(
    source: Source, inside: list[Chunk], animated: bool, canvas: tuple[int, int] | None
) -> None:
    """Raise Damaged for the first picture that does not fit the canvas, or is not used up."""
    if not animated:
        for chunk in inside:
            if chunk.type in CODED:
                _insist_size(source, chunk, canvas)
                insist_used_up(source, chunk)
        return
    frames = [chunk for chunk in inside if chunk.type == b"ANMF"]
    for number, chunk in enumerate(frames, start=1):
        try:
            _insist_frame(source, chunk, canvas or (0, 0))
        except Damaged as error:
            raise Damaged(f"frame {number}: {error}", error.offset or chunk.body) from error


def _insist_frame(source: Source, chunk: Chunk, canvas: tuple[int, int]) -> None:
    """Raise Damaged where one frame of an animation is not whole (2.7.1.2)."""
    header = source.read(chunk.body, FRAME_HEADER_BYTES)
    x, y, wide, high = (int.from_bytes(header[at : at + 3], "little") for at in (0, 3, 6, 9))
    frame = _Frame(2 * x, 2 * y, 1 + wide, 1 + high)
    if frame.x + frame.width > canvas[0] or frame.y + frame.height > canvas[1]:
        raise Damaged("outside the canvas", chunk.body)
    found = False
    for part in chunks(source, chunk.body + FRAME_HEADER_BYTES, chunk.end):
        if part.type in CODED:
            found = True
            _insist_size(source, part, (frame.width, frame.height))
            insist_used_up(source, part)
    if not found:
        raise Damaged("no picture in it", chunk.body)


def _insist_size(source: Source, chunk: Chunk, declared: tuple[int, int] | None) -> None:
    found = size(source, chunk)
    if declared is not None and found != declared:
        words = f"{found[0]} x {found[1]} pixels where {declared[0]} x {declared[1]} are declared"
        raise Damaged(words, chunk.body)
