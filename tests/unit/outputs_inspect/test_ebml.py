"""Matroska and WebM: odd files that are legal pass, and what contradicts itself is named."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from .conftest import H264, SOUND, VIDEO, make
from .structures import Change, Studio, changed, check, words

BOTH = f"{VIDEO} -f lavfi -i sine=duration=0.5 {H264} -g 4 -c:a aac"
VP9 = f"{VIDEO} -c:v libvpx-vp9 -cpu-used 8 -deadline realtime"
SOUND_FILES = {
    "sums.mkv": BOTH,
    "no_sums.mkv": f"{BOTH} -write_crc32 0",
    "small.mkv": f"{BOTH} -cluster_size_limit 1000",
    "live.mkv": f"{BOTH} -live 1",
    "front.mkv": f"{BOTH} -cues_to_front 1",
    "room.mkv": f"{BOTH} -reserve_index_space 50000",
    "hours_late.mkv": f"-itsoffset 7200 {VIDEO} {H264} -copyts",
    "pause.mkv": f"{VIDEO} {H264} -vf setpts=PTS+gte(N\\,6)*600/TB -fps_mode passthrough",
    "hourly.mkv": f"{VIDEO} {H264} -vf setpts=N*3600/TB -fps_mode passthrough",
    "laced.mka": f"{SOUND} -c:a libmp3lame",
    "dash.webm": f"{VP9} -dash 1",
    "live.webm": f"{VP9} -live 1",
    "fast.webm": f"{VP9} -r 1000 -frames:v 12",
    "hidden.webm": f"{VIDEO} -c:v libvpx -auto-alt-ref 1 -lag-in-frames 10",
}


@pytest.mark.parametrize("name", SOUND_FILES)
def test_an_odd_file_that_is_legal_is_not_blamed(tmp_path: Path, name: str) -> None:
    assert words(make(tmp_path / name, SOUND_FILES[name])) == []


def test_attachments_chapters_and_tags_are_legal(tmp_path: Path) -> None:
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(
        ";FFMETADATA1\ntitle=x\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=300\ntitle=one\n"
    )
    inputs = f"{VIDEO} -f lavfi -i sine=duration=0.5 -i {chapters} -map_metadata 2"
    path = make(
        tmp_path / "a.mkv",
        f"{inputs} {H264} -attach {chapters} -metadata:s:t mimetype=text/plain",
    )
    assert words(path) == []


def test_a_stretch_of_bytes_that_changed_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", BOTH)
    data = path.read_bytes()
    cluster = data.index(b"\x1f\x43\xb6\x75")
    for at, name in ((cluster + 900, "Cluster"), (data.rindex(b"\x15\x49\xa9\x66") + 40, "Info")):
        flipped = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        path.write_bytes(flipped)
        defect = check(path).defects[0]
        assert defect.offset is not None
        assert defect.detail == f"{name} at byte {defect.offset} has a wrong checksum"
        assert defect.offset < at


def element(kind: str, *parts: bytes) -> bytes:
    """An element with a size of eight bytes."""
    body = b"".join(parts)
    return bytes.fromhex(kind) + (1 << 56 | len(body)).to_bytes(8, "big") + body


def number(kind: str, value: int, length: int = 8) -> bytes:
    return element(kind, value.to_bytes(length, "big"))


def block(time: int, content: bytes = b"frame", track: int = 1, flags: int = 0x80) -> bytes:
    return element("a3", bytes([0x80 | track]) + struct.pack(">hB", time, flags) + content)


def cluster(time: int, *blocks: bytes) -> bytes:
    return element("1f43b675", number("e7", time), *blocks)


HEADER = element("1a45dfa3", element("4282", b"matroska"))
INFO = element("1549a966", number("2ad7b1", 1_000_000))
TRACKS = element("1654ae6b", element("ae", number("d7", 1, 1), number("83", 1, 1)))


def write(path: Path, *parts: bytes, header: bytes = HEADER) -> list[str]:
    """Write a file of one Segment, and give what is said of it."""
    path.write_bytes(header + element("18538067", *parts))
    return words(path)


def lace(lacing: int, frames: int, sizes: bytes, content: bytes) -> bytes:
    return block(0, bytes([frames - 1]) + sizes + content, flags=lacing << 1)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (cluster(0, block(0), block(40)), None),
        (cluster(0, element("a0", element("a1", block(0)[9:]), number("9b", 40))), None),
        (cluster(0, lace(1, 3, b"\xff\x01\x02", bytes(256 + 2 + 5))), None),
        (cluster(0, lace(1, 3, b"\xff\x01\x02", bytes(257))), "holds 3 frames that do not fit"),
        (cluster(0, lace(1, 3, b"\xff\xff", b"")), "holds 3 frames that do not fit"),
        (cluster(0, lace(2, 3, b"", bytes(9))), None),
        (cluster(0, lace(2, 3, b"", bytes(10))), "holds 3 frames that do not fit"),
        (cluster(0, lace(3, 3, b"\x84\xc0", bytes(15))), None),
        (cluster(0, lace(3, 3, b"\x84\xc0", bytes(7))), "holds 3 frames that do not fit"),
        (cluster(0, lace(3, 3, b"\x84\x80", bytes(90))), "holds 3 frames that do not fit"),
        (cluster(0, lace(3, 3, b"\x84", b"")), "holds 3 frames that do not fit"),
        (cluster(0, block(0, track=2)), "is of track 2, which is not declared"),
        (cluster(0, element("a3", b"\x81\0")), "has no header"),
        (element("1f43b675", block(0)), "has no time"),
        (cluster(0, block(0), b"\x42\x86\x81\0"), "no element at byte "),
        (cluster(0, block(0)[:-1]), "in the middle of a block"),
        (cluster(0, element("a0", element("a1", block(0)[9:])[:-1])), "larger than its parent"),
        (cluster(0, *(block(7) for _ in range(3))), "all 3 frames are at the same time"),
        (cluster(0, block(0)) + cluster(10**7, block(0), block(5)), "time jumps by +2.8 hours"),
        (cluster(10**7, block(0), block(1)) + cluster(0, block(0)), "time jumps by -2.8 hours"),
        (cluster(0, block(0)) + cluster(2**62, block(0), block(5)), "time jumps by +1281"),
    ],
)
def test_blocks_are_walked(tmp_path: Path, inside: bytes, expected: str | None) -> None:
    said = write(tmp_path / "a.mkv", INFO, TRACKS, inside)
    assert said == [] if expected is None else expected in said[0]


def test_a_track_may_stand_still_while_another_goes_on(tmp_path: Path) -> None:
    tracks = element(
        "1654ae6b",
        *(element("ae", number("d7", n, 1), number("83", n, 1)) for n in (1, 2)),
    )
    sound = [cluster(at, block(0, track=2)) for at in range(0, 10**7, 400_000)]
    picture = [cluster(0, block(0), block(40)), cluster(10**7, block(0))]
    path = tmp_path / "a.mkv"
    assert write(path, INFO, tracks, picture[0], *sound, picture[1]) == []
    assert write(path, INFO, tracks, picture[0], *sound[:5], picture[1])[0].startswith("time jumps")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (element("1a45dfa3", element("4282", b"webm\0\0")), None),
        (element("1a45dfa3", number("4286", 1, 1)), "the header names no type of document"),
        (element("1a45dfa3", element("4282", b"other")), "the header names no type of document"),
    ],
)
def test_the_header_names_the_type_of_document(
    tmp_path: Path, header: bytes, expected: str | None
) -> None:
    path = tmp_path / "a.mkv"
    said = write(path, INFO, TRACKS, cluster(0, block(0)), header=header)
    assert said == [] if expected is None else said[0].startswith(expected)
    assert check(path).decodable is (expected is None)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (number("2ad7b1", 0), "the clock is declared to tick every 0 seconds"),
        (element("4489", struct.pack(">d", 90_000)), "the last block is at 0.04 s, the file decl"),
        (element("4489", struct.pack(">f", 41)), None),
        (element("4489", struct.pack(">d", float("nan"))), None),
        (element("4489", b"\1\2"), None),
    ],
)
def test_the_clock_and_the_duration_can_be(
    tmp_path: Path, info: bytes, expected: str | None
) -> None:
    inside = cluster(0, block(0), block(40))
    said = write(tmp_path / "a.mkv", element("1549a966", info), TRACKS, inside)
    assert said == [] if expected is None else said[0].startswith(expected)


def test_a_frame_does_not_last_0_seconds(tmp_path: Path) -> None:
    fields = (number("d7", 1, 1), number("83", 1, 1), number("23e383", 0))
    tracks = element("1654ae6b", element("ae", *fields))
    said = write(tmp_path / "a.mkv", INFO, tracks, cluster(0, block(0)))
    assert said[0] == "a frame is declared to last 0 seconds"


def seek(kind: str, place: int) -> bytes:
    entry = element("4dbb", element("53ab", bytes.fromhex(kind)), number("53ac", place))
    return element("114d9b74", entry)


def cues(place: int, relative: int) -> bytes:
    where = element("b7", number("f7", 1, 1), number("f1", place), number("f0", relative))
    return element("1c53bb6b", element("bb", number("b3", 0), where))


def test_an_index_names_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    rest = (INFO, TRACKS, cluster(0, block(0)))
    head = len(seek("1549a966", 0))
    at = len(INFO) + len(TRACKS)
    inside = len(number("e7", 0))
    assert write(path, seek("1549a966", head), *rest) == []
    assert write(path, *rest, cues(at, inside)) == []
    for parts, expected in (
        ((seek("1549a966", head + 1), *rest), "the index names element 1549A966 at byte "),
        ((seek("1549a966", 2**40), *rest), "the index names element 1549A966 at byte "),
        ((*rest, cues(at + 1, inside)), "the index names a Cluster at byte "),
        ((*rest, cues(at, 0)), "the index names a block at byte "),
        ((*rest, cues(at, 2**40)), "the file ends at byte "),
    ):
        assert write(path, *parts)[0].startswith(expected)


def test_a_checksum_covers_what_follows_it(tmp_path: Path) -> None:
    inside = number("e7", 0) + block(0)
    good = b"\xbf\x84" + struct.pack("<I", zlib.crc32(inside))
    path = tmp_path / "a.mkv"
    assert write(path, INFO, TRACKS, element("1f43b675", good, inside)) == []
    said = write(path, INFO, TRACKS, element("1f43b675", b"\xbf\x84" + bytes(4), inside))
    assert said[0].endswith("has a wrong checksum")


LIVE_CHANGES: dict[str, tuple[Change, int]] = {
    "whole": (lambda data: data, 0),
    "cut in a block": (lambda data: data[:-3], 1),
    "followed by a tag": (lambda data: data + element("1254c367"), 0),
}


@pytest.mark.parametrize("change", LIVE_CHANGES)
def test_a_cluster_of_unknown_size_ends_where_something_else_begins(
    tmp_path: Path, change: str
) -> None:
    alter, defects = LIVE_CHANGES[change]
    unknown = b"\x01" + b"\xff" * 7
    live = HEADER + bytes.fromhex("18538067") + unknown + INFO + TRACKS
    for time in (0, 1000):
        live += bytes.fromhex("1f43b675") + unknown + number("e7", time) + block(0) + block(40)
    path = tmp_path / "a.mkv"
    path.write_bytes(live)
    assert len(changed(path, alter)) == defects


def test_one_damaged_cluster_does_not_hide_that_the_file_is_cut_off(
    studio: Studio, tmp_path: Path
) -> None:
    path = make(tmp_path / "a.mkv", f"{BOTH} -cluster_size_limit 1000")
    at = path.read_bytes().index(b"\x1f\x43\xb6\x75") + 60
    said = changed(path, lambda data: data[:at] + b"\0\1\2\3" + data[at + 4 : -400])
    assert said[0].endswith("has a wrong checksum")
    assert any("cut off" in words for words in said[1:])
