"""MPEG-TS: odd files that are legal pass, and what is lost or changed is named with its byte."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from reconciler.outputs.containers.mpegts_tables import checksum

from .conftest import H264, SOUND, VIDEO, make
from .structures import Change, changed, check, words

PACKET = 188
BOTH = f"{VIDEO} -f lavfi -i sine=duration=0.5 {H264} -c:a aac"
SOUND_FILES = {
    "usual.ts": BOTH,
    "stuffed.ts": f"{BOTH} -muxrate 2000000",
    "clocks.ts": f"{BOTH} -pcr_period 5 -muxrate 3000000",
    "broken_off.ts": f"{BOTH} -mpegts_flags initial_discontinuity",
    "tables.ts": f"{BOTH} -mpegts_flags system_b+nit",
    "around.ts": f"-itsoffset 95443.5 {VIDEO} {H264} -copyts -muxdelay 0",
    "pause.ts": f"{VIDEO} {H264} -vf setpts=PTS+gte(N\\,6)*600/TB -fps_mode passthrough",
    "hourly.ts": f"{VIDEO} {H264} -vf setpts=N*3600/TB -fps_mode passthrough",
    "lengths.ts": f"{BOTH} -omit_video_pes_length 0",
    "disc.m2ts": f"{BOTH} -mpegts_m2ts_mode 1",
}


@pytest.mark.parametrize("name", SOUND_FILES)
def test_an_odd_file_that_is_legal_is_not_blamed(tmp_path: Path, name: str) -> None:
    seen = check(make(tmp_path / name, SOUND_FILES[name]))
    assert seen.defects == ()
    assert seen.has_video


def test_sound_alone_and_two_programs_are_told_apart(tmp_path: Path) -> None:
    assert not check(make(tmp_path / "a.ts", f"{SOUND} -c:a aac")).has_video
    programs = "-program title=a:st=0 -program title=b:st=1"
    two = make(tmp_path / "b.ts", f"{VIDEO} {VIDEO} -map 0 -map 1 {programs} {H264}")
    assert words(two) == []


def test_files_one_after_another_are_one_stream(tmp_path: Path) -> None:
    first, second = (make(tmp_path / f"{n}.ts", BOTH) for n in "ab")
    assert changed(first, lambda data: data + second.read_bytes()) == []


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A stream with a picture and sound."""
    return make(tmp_path_factory.mktemp("ts") / "a.ts", BOTH).read_bytes()


def packets(data: bytes) -> list[bytes]:
    return [data[at : at + PACKET] for at in range(0, len(data), PACKET)]


def pid(packet: bytes) -> int:
    return int.from_bytes(packet[1:3], "big") & 0x1FFF


def plain(data: bytes, of: int = 256) -> int:
    """Number of a packet of that PID in the middle, without any adaptation field."""
    found = [n for n, p in enumerate(packets(data)) if pid(p) == of and p[3] & 0x30 == 0x10]
    return found[len(found) // 2]


def without(data: bytes, number: int) -> bytes:
    return data[: number * PACKET] + data[(number + 1) * PACKET :]


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def twice(data: bytes) -> bytes:
    at = plain(data) * PACKET
    return data[: at + PACKET] + data[at : at + PACKET] + data[at + PACKET :]


CHANGES: dict[str, tuple[Change, str | None]] = {
    "a packet twice": (twice, None),
    "a packet missing": (lambda d: without(d, plain(d)), "packets missing before byte "),
    "a chunk missing": (
        lambda d: d[: plain(d) * PACKET + 50] + d[plain(d) * PACKET + 350 :] + 4 * d,
        "packets out of step by byte ",
    ),
    "zeros": (
        lambda d: put(d, plain(d) * PACKET, bytes(3 * PACKET)),
        "3 packets without their sync byte, the first at byte ",
    ),
    "an error": (
        lambda d: put(d, plain(d) * PACKET + 1, b"\x81"),
        " is marked as faulty",
    ),
    "an impossible header": (
        lambda d: put(d, plain(d) * PACKET + 3, bytes([d[plain(d) * PACKET + 3] | 0x20, 200])),
        " has an impossible header",
    ),
    "a table": (
        lambda d: put(
            d, next(n for n, p in enumerate(packets(d)) if pid(p) == 0) * PACKET + 10, b"\7"
        ),
        "table at byte ",
    ),
    "cut": (lambda d: d[:-1], "cut off: 187 of 188 bytes of the last packet"),
    "cut between packets": (
        lambda d: b"".join(packets(d)[: plain(d, 257) + 1]),
        "PES packet at byte ",
    ),
    "no tables": (
        lambda d: b"".join(p for p in packets(d) if pid(p) not in (0, 17)),
        "no table of programs",
    ),
    "no map": (
        lambda d: b"".join(p for p in packets(d) if pid(p) != 4096),
        "no program map",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_lost_or_changed_is_named(usual: bytes, tmp_path: Path, change: str) -> None:
    alter, expected = CHANGES[change]
    path = tmp_path / "a.ts"
    path.write_bytes(alter(usual))
    said = words(path)
    assert said == [] if expected is None else any(expected in each for each in said)


def test_a_gap_is_told_by_its_byte_and_a_declared_one_is_none(usual: bytes, tmp_path: Path) -> None:
    gap = plain(usual)
    path = tmp_path / "a.ts"
    path.write_bytes(without(usual, gap))
    assert gap * PACKET <= (check(path).defects[0].offset or 0) < (gap + 9) * PACKET
    counter = usual[gap * PACKET + 3] & 15
    for flags, missing in ((0x80, False), (0, True)):
        empty = b"\x47\x01\x00" + bytes([0x20 | counter, 183, flags]) + b"\xff" * 182
        path.write_bytes(put(usual, gap * PACKET, empty))
        assert any("packets missing" in each for each in words(path)) is missing


def test_a_leap_of_hours_is_named(tmp_path: Path) -> None:
    late = "-vf setpts=PTS+gte(N\\,6)*10800/TB -fps_mode passthrough"
    (defect,) = check(make(tmp_path / "a.ts", f"{VIDEO} {H264} {late}")).defects
    assert defect.detail == f"time jumps by +3.0 hours at byte {defect.offset}"


def test_the_checksum_is_that_of_mpeg() -> None:
    """The check value of CRC-32/MPEG-2 in the catalogue of parametrised CRC algorithms."""
    assert checksum(b"123456789") == 0x0376E6E7
    assert checksum(b"123456789" + struct.pack(">I", 0x0376E6E7)) == 0
