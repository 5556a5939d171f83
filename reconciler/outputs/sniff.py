"""What a file is, by its first bytes alone: never by its name, and never by asking a demuxer.

A demuxer that guesses may take a text for a playlist and open what it names. So each file is
recognised here first, and the demuxer is forced to that one format; whatever is not recognised is
not opened by any. A format that is known and that nothing here decodes is told from what is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import features

from reconciler.outputs import foreign
from reconciler.outputs.containers import (
    ebml,
    flac,
    gif,
    iso_bmff,
    iso_stills,
    jpeg,
    mp3,
    mpegts,
    ogg,
    plain,
    png,
    riff_avi,
    riff_wave,
    riff_webp,
)
from reconciler.outputs.containers.base import Source, Structure
from reconciler.outputs.foreign import Unjudged
from reconciler.outputs.inspection import Defect

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Format:
    """A format that can be inspected."""

    name: str
    #: Endings that a file of this format may have, without the dot.
    extensions: frozenset[str]
    check: Callable[[Source], Structure]
    #: ffmpeg's demuxer, or None where Pillow decodes.
    demuxer: str | None = None
    #: Pillow's name of the format, or None where ffmpeg decodes.
    pillow: str | None = None


def _format(name: str, extensions: str, check: Callable[[Source], Structure], **by: str) -> Format:
    return Format(name, frozenset(extensions.split()), check, **by)


_ISO = "mp4 m4v mov qt m4a m4b 3gp 3g2 mj2"
_EBML = "mkv webm mka mk3d"
MP4 = _format("mp4", _ISO, iso_bmff.check, demuxer="mov")
MOV = _format("mov", _ISO, iso_bmff.check, demuxer="mov")
M4A = _format("m4a", _ISO, iso_bmff.check, demuxer="mov")
MATROSKA = _format("matroska", _EBML, ebml.check, demuxer="matroska")
WEBM = _format("webm", _EBML, ebml.check, demuxer="matroska")
AVI = _format("avi", "avi", riff_avi.check, demuxer="avi")
MPEGTS = _format("mpegts", "ts m2ts mts m2t trp", mpegts.check, demuxer="mpegts")
GIF = _format("gif", "gif", gif.check, demuxer="gif")
WAV = _format("wav", "wav wave", riff_wave.check, demuxer="wav")
FLAC = _format("flac", "flac", flac.check, demuxer="flac")
MP3 = _format("mp3", "mp3 mp2 mp1", mp3.check, demuxer="mp3")
OGG = _format("ogg", "ogg oga ogv opus spx", ogg.check, demuxer="ogg")
PNG = _format("png", "png apng", png.check, pillow="PNG")
JPEG = _format("jpeg", "jpg jpeg jpe jfif", jpeg.check, pillow="JPEG")
WEBP = _format("webp", "webp", riff_webp.check, pillow="WEBP")
AVIF = _format("avif", "avif avifs", iso_stills.check, pillow="AVIF")
BMP = _format("bmp", "bmp dib", plain.check_bmp, pillow="BMP")
TIFF = _format("tiff", "tif tiff", plain.check_tiff, pillow="TIFF")
FORMATS = (
    *(MP4, MOV, M4A, MATROSKA, WEBM, AVI, MPEGTS, GIF, WAV, FLAC, MP3, OGG),
    *(PNG, JPEG, WEBP, AVIF, BMP, TIFF),
)
KNOWN_EXTENSIONS = foreign.EXTENSIONS.union(*(known.extensions for known in FORMATS))
#: Pillow is built with or without a decoder of AVIF.
DECODES_AVIF = features.check("avif")

_MAGIC = (
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"OggS", OGG),
    (b"fLaC", FLAC),
    (b"ID3", MP3),
)
_EBML_ID = b"\x1a\x45\xdf\xa3"
_RIFF = {b"AVI ": AVI, b"WAVE": WAV, b"WEBP": WEBP}
#: Boxes that a QuickTime file without `ftyp` may begin with.
_QUICKTIME = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
#: Sizes that the header of a bmp has had; "BM" alone begins many a text.
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}

_REFUSED = (
    (b"#extm3u", "an HLS or M3U playlist"),
    (b"ffconcat", "an ffmpeg concat script"),
    (b"file ", "an ffmpeg concat script"),
    (b"[playlist]", "a playlist"),
    (b"<mpd", "a DASH manifest"),
    (b"<svg", "an SVG drawing"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML text"),
    (b"v=0", "an SDP session description"),
    (b"%pdf", "a PDF document"),
    (b"pk\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"rar!", "a rar archive"),
    (b"\xfd7zxz", "an xz archive"),
    (b"bzh", "a bzip2 archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x7felf", "a program"),
    (b"mz", "a program"),
)


def sniff(head: bytes) -> Format | Defect | Unjudged:
    """Recognise a file by its first bytes (`HEAD_BYTES` of them are enough).

    Returns the Format, why a known format cannot be judged, or the Defect that says in words what
    the file is instead.
    """
    if not head:
        return Defect("empty", "the file is empty")
    known = _recognise(head)
    if known is not None:
        return known
    return foreign.recognise(head) or _refuse(head)


def check_extension(name: str, known: Format | Unjudged) -> tuple[Defect, ...]:
    """Return a defect where the ending of a file's name promises another media format."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in KNOWN_EXTENSIONS or ending in known.extensions:
        return ()
    return (Defect("extension", f"named .{ending}, but it is {known.name}"),)


def _recognise(head: bytes) -> Format | Unjudged | None:
    for magic, known in _MAGIC:
        if head.startswith(magic):
            return known
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    return _by_pattern(head)


def _by_pattern(head: bytes) -> Format | None:
    tests = (
        ((WEBM if b"webm" in head[:64] else MATROSKA) if head[:4] == _EBML_ID else None),
        (_RIFF.get(head[8:12]) if head[:4] == b"RIFF" else None),
        (WAV if head[:4] in (b"RF64", b"BW64") and head[8:12] == b"WAVE" else None),
        (MOV if head[4:8] in _QUICKTIME else None),
        (BMP if head[:2] == b"BM" and _bmp_header(head) in _BMP_HEADERS else None),
        (MPEGTS if mpegts.packet_bytes(head) is not None else None),
        (MP3 if _is_mpeg_audio(head) else None),
    )
    return next((known for known in tests if known is not None), None)


def _bmp_header(head: bytes) -> int:
    return int.from_bytes(head[14:18], "little")


def _by_brand(head: bytes) -> Format | Unjudged:
    named = foreign.brands(head)
    still = foreign.by_brands(named)
    if still is not None:
        return AVIF if still is foreign.AVIF and DECODES_AVIF else still.unjudged()
    if named[0] in (b"M4A ", b"M4B "):
        return M4A
    return MOV if named[0] == b"qt  " else MP4


def _is_mpeg_audio(head: bytes) -> bool:
    """Recognise the frame header of MPEG audio (ISO/IEC 11172-3, 2.4.1.3)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    return version != 1 and layer != 0 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3


def _refuse(head: bytes) -> Defect:
    if not any(head):
        return Defect("not_media", "nothing but zeros at its start: its content never arrived")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic, words in _REFUSED:
        if text.startswith(magic):
            return Defect("not_media", f"{words}, not a media file")
    for tag, words in ((b"<mpd", "a DASH manifest"), (b"<svg", "an SVG drawing")):
        if text.startswith(b"<") and tag in text:
            return Defect("not_media", f"{words}, not a media file")
    if _is_text(head):
        return Defect("not_media", "a text, not a media file")
    return Defect("not_media", f"no media format that is known (begins with {head[:8].hex(' ')})")


def _is_text(head: bytes) -> bool:
    try:
        text = head[: HEAD_BYTES - 4].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < HEAD_BYTES - 8:
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\r\n\t\f" for c in text)
