"""frame_num: missing pictures are found in every container, and no legal order is blamed."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.outputs.codecs.base import Illegal
from reconciler.outputs.codecs.h264 import check
from reconciler.outputs.inspect import inspect

from .conftest import make

CLIP = "-f lavfi -i testsrc2=s=160x96:r=24 -frames:v 40"
X264 = f"{CLIP} -c:v libx264 -preset fast"
MISSING = "pictures before it miss"

ORDERS = {
    "no b": "-bf 0",
    "pyramid": "-bf 5 -x264-params b-pyramid=normal:ref=6",
    "open gop": "-bf 3 -x264-params open-gop=1:keyint=10:min-keyint=10:scenecut=0",
    "many idr": "-g 5",
    "intra refresh": "-x264-params intra-refresh=1:keyint=12:bframes=0",
    "interlaced": "-flags +ilme+ildct -x264-params tff=1",
    "slices": "-x264-params slices=4",
    "scaling lists": "-x264-params cqm=jvt",
    "444": "-pix_fmt yuv444p",
    "ten bits": "-pix_fmt yuv420p10le",
    "baseline": "-profile:v baseline -pix_fmt yuv420p",
    "lossless": "-qp 0",
    "long": "-frames:v 300 -bf 0 -refs 1 -g 250",
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
@pytest.mark.parametrize("ending", ["mp4", "ts"])
def test_no_legal_order_is_blamed(tmp_path: Path, order: str, ending: str) -> None:
    seen = inspect(make(tmp_path / f"a.{ending}", X264, *order.split()))
    assert seen.defects == ()


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "mov"])
@pytest.mark.parametrize("order", ["no b", "scaling lists", "slices", "ten bits"])
def test_a_missing_picture_is_found(tmp_path: Path, ending: str, order: str) -> None:
    """Non-key packet 20 is left out; without B pictures every other one is referred to."""
    whole = make(tmp_path / "whole.mp4", X264, "-bf", "0", *ORDERS[order].split())
    cut = make(tmp_path / f"cut.{ending}", f"-i {whole} -c copy -bsf:v", "noise=drop='eq(n,20)'")
    (told,) = [defect for defect in inspect(cut).defects if MISSING in defect.detail]
    assert told.detail.startswith("packet 21 of the picture")
    assert told.at_s is not None
    assert 20 / 24 - 0.001 <= told.at_s <= 1


def test_sequences_that_follow_each_other_are_legal(tmp_path: Path) -> None:
    """Two streams of other parameters, one behind the other, as `cat` makes of ts."""
    first = make(tmp_path / "a.ts", X264, "-bf", "0")
    second = make(tmp_path / "b.ts", X264, "-bf", "3", "-g", "7")
    (tmp_path / "both.ts").write_bytes(first.read_bytes() + second.read_bytes())
    assert not [d for d in inspect(tmp_path / "both.ts").defects if MISSING in d.detail]


@pytest.mark.parametrize("setup", [b"", b"\x01", bytes(6), b"\xff" * 40, bytes(range(64))])
def test_what_tells_nothing_beforehand_is_no_fault_of_the_picture(setup: bytes) -> None:
    look = check(setup)
    assert look(b"\0\0\0\x04\x65\x88\x84\x21") == 1


def test_a_picture_set_names_its_sequence_by_a_number_of_its_own() -> None:
    """Picture set 1 belongs to sequence 0; its pictures are numbered 0 and then 5."""
    units = [bytes.fromhex(text) for text in ("6742001eda40", "6850c0", "65d040")]
    look = check()
    assert look(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)) == 1
    with pytest.raises(Illegal, match="frame_num is 5 after 0"):
        look(b"\0\0\0\x03\x41\xd2\xc0")
