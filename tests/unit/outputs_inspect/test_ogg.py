"""Ogg: pages without a gap, from the first of each stream to its last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.outputs.containers import ogg
from reconciler.outputs.containers.base import Structure
from reconciler.outputs.inspect import inspect

from .conftest import SOUND, make
from .test_containers import check, words

Studio = Callable[[str], Path]
WHOLE = Structure(has_video=False)


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    """A file of many pages."""
    return make(tmp_path / "made.ogg", f"{SOUND} -page_duration 100000").read_bytes()


def pages(data: bytes) -> list[bytes]:
    return [b"OggS" + rest for rest in data.split(b"OggS")[1:]]


@pytest.mark.parametrize("codec", ["libvorbis", "libopus", "flac"])
def test_an_ogg_of_any_codec_is_sound(tmp_path: Path, codec: str) -> None:
    for duration in ("1000", "100000", "10000000"):
        recipe = f"{SOUND} -c:a {codec} -page_duration {duration}"
        assert inspect(make(tmp_path / "a.ogg", recipe)).defects == ()


def test_streams_behind_one_another_and_side_by_side_are_legal(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ogg").write_bytes(data + data)
    assert check(tmp_path / "a.ogg") == WHOLE
    other = make(tmp_path / "b.ogg", f"{SOUND} {SOUND} -map 0 -map 1").read_bytes()
    assert len({page[14:18] for page in pages(other)}) == 2
    assert check(tmp_path / "b.ogg") == WHOLE


def test_a_page_that_is_missing_is_noticed_where_it_was(data: bytes, tmp_path: Path) -> None:
    whole = pages(data)
    assert len(whole) > 6
    for lost in range(1, len(whole) - 1):
        (tmp_path / "a.ogg").write_bytes(b"".join(whole[:lost] + whole[lost + 1 :]))
        (defect,) = check(tmp_path / "a.ogg").defects
        expected = f"page {lost + 1} where page {lost} is due: pages are missing"
        assert (defect.detail, defect.offset) == (expected, len(b"".join(whole[:lost])))


def test_a_stream_needs_its_first_page_and_its_last(data: bytes, tmp_path: Path) -> None:
    whole, path = pages(data), tmp_path / "a.ogg"
    path.write_bytes(b"".join(whole[1:]))
    assert words(path) == ["a page of a stream whose first page is missing"]
    path.write_bytes(data + b"".join(whole[:-1]))
    (defect,) = check(path).defects
    assert defect.detail == "last page missing: cut off"
    assert defect.offset == path.stat().st_size
    path.write_bytes(data + b"tail" * 10)
    assert words(path) == [f"no page at byte {len(data)}, where one must begin"]
    path.write_bytes(data[:-1])
    assert words(path)[0].startswith("page cut off: ")


def test_a_flipped_bit_is_found_by_the_checksum_of_its_page(data: bytes, tmp_path: Path) -> None:
    at = len(data) // 2
    (tmp_path / "a.ogg").write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
    assert words(tmp_path / "a.ogg") == []
    assert any("CRC" in defect.detail for defect in inspect(tmp_path / "a.ogg").defects)


def test_a_file_of_endless_streams_is_given_up(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ogg, "MAX_STREAMS", 3)
    first = pages(data)[0]
    many = b"".join(first[:14] + number.to_bytes(4, "little") + first[18:] for number in range(5))
    (tmp_path / "a.ogg").write_bytes(many)
    assert words(tmp_path / "a.ogg") == ["more than 3 streams"]
