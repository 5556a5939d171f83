"""The coded data of one WebP picture: VP8 (RFC 6386) or VP8L (RFC 9649, 3).

Arithmetic-coded data decodes to something whatever was done to it, and no decoder complains as long
as there is enough of it. But an encoder writes no more than is needed. So the picture is decoded
once more without its last bytes: a whole one then lacks them, and libwebp says so; where it does
not, the data is not what the encoder wrote. Found were all of 40 flipped bits and 40 holes in lossy
pictures; in lossless ones, whose codes fall into step again, only what changes their number.
"""

from __future__ import annotations

import io

from PIL import Image

from reconciler.outputs.containers.base import Damaged, Source
from reconciler.outputs.containers.riff import Chunk

LOSSY, LOSSLESS = b"VP8 ", b"VP8L"
CODED = (LOSSY, LOSSLESS)
#: Bytes left away. Encoders flush up to 4 more than are needed; libwebp writes none too many.
CUT_BYTES = 8
#: Pictures of less data say nothing: their last bytes may be all there are.
MIN_BYTES = 256
#: Larger pictures are not decoded twice.
MAX_PIXELS = 50_000_000


def size(source: Source, chunk: Chunk) -> tuple[int, int]:
    """Return width and height of a coded picture. Raises Damaged where its header is none."""
    if chunk.type == LOSSY:
        return _lossy_size(source, chunk)
    header = source.read(chunk.body, 5)
    bits = int.from_bytes(header[1:], "little")
    if header[0] != 0x2F or bits >> 29:
        raise Damaged("no header of a lossless picture where one must be", chunk.body)
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def _lossy_size(source: Source, chunk: Chunk) -> tuple[int, int]:
    """Read the frame tag and the key frame's header (RFC 6386, 9.1)."""
    header = source.read(chunk.body, 10)
    tag = int.from_bytes(header[:3], "little")
    if tag & 1 or header[3:6] != b"\x9d\x01\x2a":
        raise Damaged("no key frame where one must be", chunk.body)
    room = chunk.end - chunk.body - 10
    if tag >> 5 > room:
        words = f"a first partition of {tag >> 5} bytes where {room} are left"
        raise Damaged(words, chunk.body)
    width, height = int.from_bytes(header[6:8], "little"), int.from_bytes(header[8:10], "little")
    return width & 0x3FFF, height & 0x3FFF


def insist_used_up(source: Source, chunk: Chunk) -> None:
    """Raise Damaged where a picture is decoded without the last bytes of its data as well."""
    width, height = size(source, chunk)
    length = chunk.end - chunk.body
    if length < MIN_BYTES or width * height > MAX_PIXELS:
        return
    data = b"".join(source.steps(chunk.body, chunk.end))
    if _decodes(chunk.type, data[:-CUT_BYTES]):
        raise Damaged("the picture's data is damaged: more than its codes need", chunk.body)


def _decodes(kind: bytes, data: bytes) -> bool:
    """Decode a picture alone, without alpha and metadata: a simple file (RFC 9649, 2.5, 2.6)."""
    body = kind + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)
    file = b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body
    try:
        with Image.open(io.BytesIO(file), formats=("WEBP",)) as image:
            image.load()
    except MemoryError:
        raise
    except Exception:  # whatever a decoder raises says that it cannot decode this
        return False
    return True
