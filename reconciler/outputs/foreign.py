"""Formats that are known by their first bytes and that nothing here can inspect.

A file of one of them is neither sound nor unsound. Sources: the signatures that each format's own
specification gives; brands of ISO/IEC 23008-12 (HEIF) and of Canon's CR3 for what `ftyp` names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Why a file cannot be judged, in words for a person."""

    reason: str
    #: What it is, and endings that its name may have, without the dot.
    name: str = ""
    extensions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Foreign:
    """A format that is recognised by `magic`, `at` so many bytes from the start."""

    magic: bytes
    name: str
    extensions: str
    at: int = 0

    def unjudged(self) -> Unjudged:
        """Return what is said of such a file."""
        endings = frozenset(self.extensions.split())
        return Unjudged(f"{self.name} cannot be inspected here", self.name, endings)


HEIF = Foreign(b"", "a HEIF picture", "heic heif hif")
AVIF = Foreign(b"", "an AVIF picture", "avif avifs")
RAW = Foreign(b"", "a raw photo of a camera (CR3)", "cr3")

FOREIGN = (
    Foreign(b"\xff\x0a", "a JPEG XL picture", "jxl"),
    Foreign(b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture", "jxl"),
    Foreign(b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture", "jp2 jpx jpf mj2"),
    Foreign(b"\xff\x4f\xff\x51", "a JPEG 2000 picture", "j2k j2c jpc"),
    Foreign(b"8BPS\0", "a Photoshop document", "psd psb"),
    Foreign(b"\x76\x2f\x31\x01", "an OpenEXR picture", "exr"),
    Foreign(b"#?RADIANCE", "a Radiance HDR picture", "hdr"),
    Foreign(b"#?RGBE", "a Radiance HDR picture", "hdr"),
    Foreign(b"DDS \x7c", "a DirectDraw texture", "dds"),
    Foreign(b"qoif", "a QOI picture", "qoi"),
    Foreign(b"\0\0\x01\0\x01\0", "an icon", "ico"),
    Foreign(b"glTF", "a 3D model (glTF)", "glb gltf"),
    Foreign(b"FLV\x01", "a Flash video", "flv"),
    Foreign(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file (ASF)", "wmv wma asf"),
    Foreign(b".RMF", "a RealMedia file", "rm rmvb"),
    Foreign(b"\0\0\x01\xba", "an MPEG program stream", "mpg mpeg vob ps"),
    Foreign(b"\0\0\x01\xb3", "a bare MPEG video stream", "m1v m2v mpv mpg mpeg"),
    Foreign(b"\0\0\0\x01\x67", "a bare H.264 stream", "h264 264 avc"),
    Foreign(b"\0\0\0\x01\x40\x01", "a bare H.265 stream", "h265 265 hevc"),
    Foreign(b"DKIF\0\0", "an IVF video", "ivf"),
    Foreign(b"YUV4MPEG2 ", "a raw video (Y4M)", "y4m"),
    Foreign(b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", "an MXF file", "mxf"),
    Foreign(b"nut/multimedia container", "a NUT file", "nut"),
    Foreign(b"AIFF", "an AIFF sound", "aif aiff", at=8),
    Foreign(b"AIFC", "an AIFF sound", "aif aiff aifc", at=8),
    Foreign(b"caff\0\x01", "a Core Audio file", "caf"),
    Foreign(b".snd\0", "a Sun audio file", "au snd"),
    Foreign(b"#!AMR", "an AMR sound", "amr awb"),
    Foreign(b"wvpk", "a WavPack sound", "wv"),
    Foreign(b"MAC \x96\x0f", "a Monkey's Audio sound", "ape"),
    Foreign(b"RF64", "a wav of more than 4 GB (RF64)", "wav rf64"),
    Foreign(b"BW64", "a wav of more than 4 GB (BW64)", "wav"),
    Foreign(b"riff\x2e\x91\xcf\x11", "a Wave64 sound", "w64"),
    Foreign(b"\xff\xf1", "a bare AAC sound (ADTS)", "aac"),
    Foreign(b"\xff\xf9", "a bare AAC sound (ADTS)", "aac"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
EXTENSIONS = frozenset().union(
    *(frozenset(known.extensions.split()) for known in (*FOREIGN, HEIF, AVIF, RAW))
)


def recognise(head: bytes) -> Unjudged | None:
    """Return what is said of a file that begins with `head`, where its format is a known one."""
    for known in FOREIGN:
        if head.startswith(known.magic, known.at):
            return known.unjudged()
    return None


def brands(head: bytes) -> tuple[bytes, ...]:
    """Return the brands of an `ftyp` box at the start, the major one first (14496-12, 4.3)."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = (head[at : at + 4] for at in range(16, end - 3, 4))
    return (head[8:12], *compatible)


def by_brands(named: tuple[bytes, ...]) -> Foreign | None:
    """Return the format of stills that the brands of an `ftyp` box stand for, if any.

    The major brand of a HEIF picture may be a general one (mif1), and an AVIF says so behind it.
    """
    if named[0] == b"crx ":
        return RAW
    if named[0] in (b"avif", b"avis") or (
        named[0] in _HEIF_BRANDS and {b"avif", b"avis"} & set(named)
    ):
        return AVIF
    return HEIF if named[0] in _HEIF_BRANDS else None
