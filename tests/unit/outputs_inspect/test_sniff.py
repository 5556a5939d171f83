"""Content decides what a file is; what is not media is refused in words and never decoded."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from reconciler.outputs import inspect as module
from reconciler.outputs import sniff as sniff_module
from reconciler.outputs.inspect import inspect
from reconciler.outputs.inspection import Defect, Verdict
from reconciler.outputs.sniff import Format, check_extension, sniff

from .conftest import pictures

REFUSED = {
    "playlist": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "an HLS or M3U playlist"),
    "playlist after blank lines": (b"\xef\xbb\xbf\n\n#EXTM3U\n", "an HLS or M3U playlist"),
    "concat": (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "an ffmpeg concat script"),
    "bare concat": (b"file '/etc/passwd'\n", "an ffmpeg concat script"),
    "dash": (b"<?xml version='1.0'?><x/>", "an XML text"),
    "mpd": (b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "a DASH manifest"),
    "svg": (b"<!-- hi --><svg xmlns='http://www.w3.org/2000/svg'>", "an SVG drawing"),
    "html": (b"<!DOCTYPE html><p>502 Bad Gateway", "an HTML page"),
    "text": ("Traceback (most recent call last): é".encode(), "a text"),
    "zip": (b"PK\x03\x04" + bytes(90), "a zip archive"),
    "gzip": (gzip.compress(b"x" * 50), "a gzip archive"),
    "program": (b"\x7fELF" + bytes(60), "a program"),
    "zeros": (bytes(5000), "nothing but zeros"),
    "noise": (b"\x01" + random.Random(1).randbytes(5000), "no media format that is known"),
    "broken riff": (b"RIFF\x10\0\0\0JUNKJUNK", "no media format that is known"),
}


@pytest.mark.parametrize("content", REFUSED)
def test_what_is_no_media_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    data, words = REFUSED[content]
    monkeypatch.setattr(module, "decode", _never)
    monkeypatch.setattr(module, "decode_still", _never)
    path = tmp_path / "video.mp4"
    path.write_bytes(data)
    seen = inspect(path)
    (defect,) = seen.defects
    assert defect.kind == "not_media"
    assert defect.detail.startswith(words)
    assert (seen.media, seen.container, seen.frames) == ("unknown", None, None)


def _never(*arguments: object, **named: object) -> None:
    raise AssertionError("decoded what had to be refused")


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    assert inspect(tmp_path / "a.mp4").defects == (Defect("empty", "the file is empty"),)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x20ftypisom", "mp4"),
        (b"\0\0\0\x20ftypqt  ", "mov"),
        (b"\0\0\0\x20ftypM4A ", "m4a"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "mov"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "webm"),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska", "matroska"),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"G" + bytes(187) + b"G" + bytes(187) + b"G" + bytes(187), "mpegts"),
        ((bytes(4) + b"G" + bytes(187)) * 3, "mpegts"),
        ((b"G" + bytes(203)) * 3, "mpegts"),
        (b"\xff\xfb\x90\x64" + bytes(20), "mp3"),
        (b"ID3\x04", "mp3"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "bmp"),
    ],
)
def test_media_is_recognised_by_its_first_bytes(head: bytes, name: str) -> None:
    known = sniff(head)
    assert isinstance(known, Format)
    assert known.name == name


def test_a_text_that_begins_like_a_bitmap_is_a_text() -> None:
    assert sniff(b"BMW is a car, and this is a text.") == Defect(
        "not_media", "a text, not a media file"
    )


UNJUDGED = {
    "a.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "b.heic": b"\0\0\0\x18ftypmif1\0\0\0\0heic",
    "a.cr3": b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom",
    "a.jxl": b"\xff\x0a\xfa\x1f",
    "b.jxl": b"\0\0\0\x0cJXL \r\n\x87\n",
    "a.psd": b"8BPS\0\x01",
    "a.glb": b"glTF\2\0\0\0",
    "a.flv": b"FLV\x01\x05",
    "a.wmv": bytes.fromhex("3026b2758e66cf11a6d9"),
    "a.hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n",
    "a.aiff": b"FORM\0\0\0\x40AIFFCOMM",
    "a.aac": b"\xff\xf1\x50\x80",
    "a.264": b"\0\0\0\x01\x67\x64",
    "a.mpg": b"\0\0\x01\xba\x44",
    "a.nut": b"nut/multimedia container\0",
}


@pytest.mark.parametrize("name", UNJUDGED)
def test_a_format_that_cannot_be_inspected_is_told_from_damage(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(UNJUDGED[name])
    seen = inspect(path)
    assert seen.verdict is Verdict.UNJUDGED
    assert seen.unjudged
    assert seen.unjudged.endswith(" cannot be inspected here")
    wrong = path.rename(tmp_path / "a.png")
    (defect,) = inspect(wrong).defects
    assert defect.detail.startswith("named .png, but it is a")


@pytest.mark.parametrize("head", [b"ftypavif\0\0\0\0avifmif1", b"ftypmif1\0\0\0\0mif1avif"])
def test_an_avif_needs_a_pillow_that_decodes_it(
    monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(sniff_module, "DECODES_AVIF", True)
    assert sniff(b"\0\0\0\x18" + head) is sniff_module.AVIF
    monkeypatch.setattr(sniff_module, "DECODES_AVIF", False)
    found = sniff(b"\0\0\0\x18" + head)
    assert isinstance(found, sniff_module.Unjudged)
    assert found.reason == "an AVIF picture cannot be inspected here"


def test_an_avif_is_inspected_like_any_still(tmp_path: Path) -> None:
    for name, more in (
        ("a.avif", {}),
        ("b.avif", {"save_all": True, "append_images": pictures(3)}),
    ):
        path = tmp_path / name
        pictures(1)[0].save(path, **more)
        seen = inspect(path)
        assert (seen.verdict, seen.frames, seen.width) == (Verdict.SOUND, 4 if more else 1, 64)
        path.write_bytes(path.read_bytes()[:-100])
        assert inspect(path).verdict is Verdict.UNSOUND


def test_a_text_cut_in_the_middle_of_a_letter_is_a_text() -> None:
    found = sniff(("a" * 4091 + "é" * 10).encode()[:4096])
    assert found == Defect("not_media", "a text, not a media file")


@pytest.mark.parametrize(
    ("name", "fits"),
    [("a.mp4", True), ("a.MOV", True), ("a.webm", False), ("a", True), ("a.tmp", True)],
)
def test_an_ending_is_compared_with_the_content(name: str, fits: bool) -> None:
    known = sniff(b"\0\0\0\x20ftypisom")
    assert isinstance(known, Format)
    assert (check_extension(name, known) == ()) is fits
