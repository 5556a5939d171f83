"""NAL units of h264 and h265: what they may hold, and what only damage puts there."""

from __future__ import annotations

import pytest

from reconciler.outputs.codecs import h264, hevc
from reconciler.outputs.codecs.base import Check, Illegal

#: A slice of h264 (an IDR), and one of h265, with bytes that stand for coded data.
SLICE = b"\x65" + bytes(range(1, 80)) + b"\x80"
HEVC_SLICE = b"\x26\x01" + bytes(range(1, 80)) + b"\x80"


def by_length(*units: bytes, size: int = 4) -> bytes:
    return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)


def by_code(*units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def words(check: Check, *given: bytes) -> str | None:
    """What the check says to these packets; None where it finds them legal."""
    try:
        for packet in given:
            check(packet)
    except Illegal as error:
        return f"{error.at}: {error}"
    return None


@pytest.mark.parametrize(
    "packet",
    [
        by_length(SLICE),
        by_length(b"\x09\xf0", b"\x06\x05" + bytes(40), SLICE, SLICE),
        by_length(SLICE, size=2),
        by_length(SLICE, size=1),
        by_code(SLICE),
        by_code(b"\x09\xf0", SLICE),
        by_code(SLICE) + bytes(500),
        by_length(SLICE + b"\0\0\3" * 9),
        by_length(SLICE + b"\0\0\3\0\0\3\1\0\0\3\2\0\0\3\3\x80"),
        by_length(SLICE + bytes(15)),
        by_length(SLICE) + bytes(15),
        by_length(b"\x7c" + SLICE[1:], SLICE),
        by_length(SLICE * 4),
    ],
    ids=[
        "a slice",
        "messages are not looked into",
        "lengths of two bytes",
        "lengths of one byte",
        "start codes",
        "start codes, several",
        "zeros after a unit between start codes",
        "zero words of CABAC",
        "escaped zeros",
        "a few zeros counted to a unit",
        "a few zeros after all units",
        "a type of Dolby Vision's",
        "a length that looks like a start code",
    ],
)
def test_a_legal_packet_of_h264(packet: bytes) -> None:
    assert words(h264.check(), packet, packet) is None


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (by_length(SLICE[:40] + bytes(64) + SLICE[40:]), "44: a NAL unit holds 00 00 00"),
        (by_length(SLICE + b"\0\0\1\x80"), "85: a NAL unit holds 00 00 01"),
        (by_length(SLICE + b"\0\0\2\x80"), "85: a NAL unit holds 00 00 02"),
        (by_length(SLICE + b"\0\0\3\4\x80"), "85: a NAL unit holds 00 00 03 04"),
        (by_length(SLICE[:40] + bytes(41)), "44: the last 41 bytes of a NAL unit are zeros"),
        (by_length(SLICE)[:-3], "0: a NAL unit of 81 bytes where 82 are left"),
        (by_length(SLICE) + b"\0\0\0\x09ab", "85: a NAL unit of 9 bytes where 6 are left"),
        (by_length(SLICE) + bytes(16), "85: a NAL unit of 0 bytes where 16 are left"),
        (by_length(SLICE, b"\xe5" + SLICE[1:]), "89: the first bit of a NAL unit is not zero"),
        (by_length(SLICE, b"\x60" + SLICE[1:]), "89: a NAL unit of the reserved type 0"),
        (by_length(SLICE, b"\x72" + SLICE[1:]), "89: a NAL unit of the reserved type 18"),
        (by_code(SLICE + b"\0\0\2\x80"), "85: a NAL unit holds 00 00 02"),
    ],
)
def test_an_illegal_packet_of_h264(packet: bytes, said: str) -> None:
    found = words(h264.check(), by_code(SLICE) if packet[3] == 1 else by_length(SLICE), packet)
    assert found is not None
    assert found.startswith(said)


@pytest.mark.parametrize(
    "unit",
    [HEVC_SLICE, HEVC_SLICE + b"\0\0\3" * 3, b"\x7c\x01" + HEVC_SLICE, b"\x4e\x01" + bytes(99)],
    ids=["a slice", "zero words of CABAC", "a type of Dolby Vision's", "a message"],
)
def test_a_legal_packet_of_h265(unit: bytes) -> None:
    assert words(hevc.check(), by_length(HEVC_SLICE, unit)) is None


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        (HEVC_SLICE[:50] + bytes(99), "the last 99 bytes of a NAL unit are zeros"),
        (HEVC_SLICE + bytes(3) + HEVC_SLICE, "a NAL unit holds 00 00 00"),
        (b"\x26\x00" + HEVC_SLICE[2:], "a NAL unit without a temporal id"),
        (b"\x26", "a NAL unit without a temporal id"),
        (b"\xa6" + HEVC_SLICE[1:], "the first bit of a NAL unit is not zero"),
        (b"\x34" + HEVC_SLICE[1:], "a NAL unit of the reserved type 26"),
        (b"\x56" + HEVC_SLICE[1:], "a NAL unit of the reserved type 43"),
    ],
)
def test_an_illegal_packet_of_h265(unit: bytes, said: str) -> None:
    found = words(hevc.check(), by_length(HEVC_SLICE, unit))
    assert found is not None
    assert said in found


def test_pictures_that_lead_up_to_the_first_one_are_not_shown() -> None:
    """RASL (8) refers to what came before a CRA (21), and IDR and BLA pictures begin anew."""

    def unit(kind: int) -> bytes:
        return by_length(bytes([kind << 1, 1]) + HEVC_SLICE[2:])

    check = hevc.check()
    kinds = (21, 8, 9, 1, 21, 8, 1, 17, 8, 20, 1)
    assert [check(unit(kind)) for kind in kinds] == [1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1]


def test_h265_begins_with_a_picture_of_several_slices_as_with_one_of_one() -> None:
    cra, rasl = b"\x2a\x01" + SLICE[1:], b"\x10\x01" + SLICE[1:]
    check = hevc.check()
    assert (check(by_length(cra, cra)), check(by_length(rasl, rasl))) == (1, 0)
    assert (check(by_length(cra, cra)), check(by_length(rasl, rasl))) == (1, 1)
