"""What is no media, or must not be followed or unpacked, under a media file's name."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stranger:
    """A file that is not what its name says."""

    name: str
    extension: str
    data: bytes


def strangers(rng: random.Random, neighbour: str) -> Iterator[Stranger]:
    """All of them; some refer to `neighbour`, a sound file beside them, which must stay shut."""
    yield Stranger("text", "mp4", b"Traceback (most recent call last):\n" * rng.randint(3, 40))
    yield Stranger("text", "png", b"<html><body>502 Bad Gateway</body></html>\n")
    yield Stranger("random bytes", "mp4", rng.randbytes(rng.randint(2000, 50_000)))
    yield Stranger("random bytes", "webm", rng.randbytes(rng.randint(2000, 50_000)))
    yield Stranger("random bytes", "mp3", rng.randbytes(rng.randint(2000, 50_000)))
    yield Stranger("random bytes", "ts", rng.randbytes(rng.randint(2000, 50_000)))
    yield Stranger("HLS playlist", "mp4", _hls(neighbour))
    yield Stranger("HLS playlist", "m3u8", _hls(neighbour))
    yield Stranger("DASH manifest", "mp4", _dash(neighbour))
    yield Stranger("DASH manifest", "mpd", _dash(neighbour))
    yield Stranger("concat script", "mp4", f"ffconcat version 1.0\nfile '{neighbour}'\n".encode())
    yield Stranger("SVG", "png", _svg(neighbour))
    yield Stranger("SVG", "svg", _svg(neighbour))
    yield Stranger("archive", "mp4", _zip(rng))
    yield Stranger("archive", "webm", gzip.compress(rng.randbytes(9000), mtime=0))
    side = rng.randint(50_000, 60_000)
    yield Stranger("decompression bomb", "png", bomb_png(side))
    yield Stranger("decompression bomb", "gif", bomb_gif(side))


def _hls(neighbour: str) -> bytes:
    lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:10", "#EXTINF:10,", neighbour, "#EXT-X-ENDLIST", "")
    return "\n".join(lines).encode()


def _dash(neighbour: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        f"<BaseURL>{neighbour}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ).encode()


def _svg(neighbour: str) -> bytes:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
        f'<image href="{neighbour}" width="64" height="64"/></svg>'
    ).encode()


def _zip(rng: random.Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("frame.png"), rng.randbytes(4000))
    return out.getvalue()


def bomb_png(side: int) -> bytes:
    """A small png of `side` times `side` pixels, whole and legal."""
    packer = zlib.compressobj(9)
    row, rows = bytes(1 + side // 8 + 1), []
    for _ in range(side):
        rows.append(packer.compress(row))
    rows.append(packer.flush())
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    out = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", b"".join(rows)), (b"IEND", b"")):
        crc = zlib.crc32(kind + data)
        out += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
    return out


def bomb_gif(side: int) -> bytes:
    """A gif that claims `side` times `side` pixels."""
    screen = struct.pack("<HHBBB", side, side, 0x80, 0, 0)
    image = struct.pack("<BHHHHB", 0x2C, 0, 0, side, side, 0)
    return b"GIF89a" + screen + bytes(6) + image + b"\x02\x02\x4c\x01\x00\x3b"
