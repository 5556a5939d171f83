"""Frames of av1, vp8, ProRes and Motion JPEG: real ones are legal, changed ones are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.outputs.codecs import av1, mjpeg, prores, vp8
from reconciler.outputs.codecs.base import Check, Illegal
from reconciler.outputs.codecs.table import check_of

from .conftest import VIDEO, make
from .streams import packets

AV1 = "-c:v libsvtav1 -preset 12"
KINDS = {
    "av1": f"{VIDEO} {AV1}",
    "vp8": f"{VIDEO} -c:v libvpx -deadline realtime",
    "prores": f"{VIDEO} -c:v prores_ks",
    "interlaced": f"{VIDEO} -c:v prores_ks -flags +ildct",
    "mjpeg": f"{VIDEO} -c:v mjpeg",
    "restarts": f"{VIDEO} -c:v mjpeg -slices 3",
}
CHECKS = {
    "av1": av1.check,
    "vp8": vp8.check,
    "prores": prores.check,
    "interlaced": prores.check,
    "mjpeg": mjpeg.check,
    "restarts": mjpeg.check,
}
Change = Callable[[bytes], bytes]


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[bytes]]:
    folder: Path = tmp_path_factory.mktemp("frames")
    known: dict[str, list[bytes]] = {}

    def give(kind: str) -> list[bytes]:
        if kind not in known:
            known[kind] = packets(make(folder / f"{kind}.mkv", KINDS[kind]))
        return known[kind]

    return give


def put(at: int, data: bytes) -> Change:
    return lambda packet: packet[:at] + data + packet[at + len(data) :]


def after(mark: bytes, data: bytes, skip: int = 0) -> Change:
    return lambda packet: put(packet.index(mark) + len(mark) + skip, data)(packet)


@pytest.mark.parametrize("kind", KINDS)
def test_real_frames_are_legal(frames: Callable[[str], list[bytes]], kind: str) -> None:
    check = CHECKS[kind]()
    assert [check(packet) for packet in frames(kind)] == [1] * len(frames(kind))


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("av1", put(0, b"\x92"), "a forbidden bit"),
        ("av1", put(0, b"\x13"), "a forbidden bit"),
        ("av1", put(0, b"\x52"), "an OBU of the reserved type 10"),
        ("av1", put(1, b"\xff\x7f"), "an OBU of"),
        ("av1", put(1, b"\xff" * 9), "the size of an OBU does not end"),
        ("av1", lambda packet: packet[:-5], "bytes where"),
        ("av1", lambda packet: put(len(packet) // 2, bytes(64))(packet), "a run of zeros"),
        ("vp8", put(0, b"\x11"), "the first frame is no key frame"),
        ("vp8", put(0, b"\x1e"), "a frame of version 7"),
        ("vp8", put(3, b"\x9c"), "a key frame without its start code"),
        ("vp8", put(2, b"\xff"), "a first partition of"),
        ("vp8", lambda packet: put(len(packet) // 2, bytes(64))(packet), "a run of zeros"),
        ("prores", lambda packet: packet[:20], "too few for its header"),
        ("prores", put(4, b"icpg"), "without its mark"),
        ("prores", lambda packet: packet[:-1], "in a packet of"),
        ("prores", put(8, b"\x7f"), "a picture's header lies behind"),
        ("prores", put(8 + 148 + 1, b"\x7f"), "a picture of"),
        ("prores", put(8 + 148 + 8, b"\x7f"), "slices of"),
        ("mjpeg", put(0, b"\0"), "without its start"),
        ("mjpeg", after(b"\xff\xda", b"\xff\x77", skip=60), "ff 77 inside coded data"),
        ("restarts", lambda packet: packet.replace(b"\xff\xd1", b"\xff\xd3"), "out of order"),
    ],
)
def test_a_changed_frame_is_illegal(
    frames: Callable[[str], list[bytes]], kind: str, change: Change, said: str
) -> None:
    with pytest.raises(Illegal, match=said):
        CHECKS[kind]()(change(frames(kind)[0]))


def test_zeros_that_fill_a_frame_up_are_legal(frames: Callable[[str], list[bytes]]) -> None:
    assert vp8.check()(frames("vp8")[0] + bytes(500)) == 1
    assert prores.check()(frames("prores")[0] + bytes(500)) == 1


def test_an_empty_vp8_frame_and_a_hidden_one_show_nothing(
    frames: Callable[[str], list[bytes]],
) -> None:
    key, second = frames("vp8")[:2]
    check: Check = vp8.check()
    hidden = bytes([second[0] & ~0x10]) + second[1:]
    assert [check(packet) for packet in (key, b"", hidden, second)] == [1, 0, 0, 1]


def test_an_obu_may_leave_its_size_out_where_it_is_the_last() -> None:
    assert av1.check()(b"\x12\0" + b"\x30" + bytes(range(1, 90))) == 1


def test_between_scans_a_picture_may_have_tables() -> None:
    scan = b"\xff\xda" + b"\0\x08" + b"abcd\xff\0ef"
    assert mjpeg.check()(b"\xff\xd8" + scan + b"\xff\xc4\0\2" + scan + b"\xff\xd9") == 1


def test_a_codec_without_a_check_has_none() -> None:
    assert check_of("gif") is None
    assert check_of(None) is None
