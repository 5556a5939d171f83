"""Mp4 and mov: odd files that are legal pass, and what contradicts itself is named."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from reconciler.outputs.containers import base
from reconciler.outputs.containers.iso_samples import SampleTable

from .conftest import FRAMES, H264, SOUND, VIDEO, make
from .structures import Change, Studio, after, changed, check, words

BOTH = f"{VIDEO} -f lavfi -i sine=duration=0.5 {H264} -g 4 -c:a aac"
COVER = "-f lavfi -i color=red:size=32x32:rate=1:duration=1"
SOUND_FILES = {
    "sound.mp4": BOTH,
    "faststart.mp4": f"{BOTH} -movflags faststart",
    "default_base.mp4": f"{BOTH} -movflags frag_keyframe+empty_moov+default_base_moof",
    "first_in_moov.mp4": f"{BOTH} -movflags frag_keyframe",
    "separate.mp4": f"{BOTH} -movflags frag_keyframe+empty_moov+separate_moof",
    "no_offsets.mp4": f"{BOTH} -movflags frag_keyframe+empty_moov+omit_tfhd_offset",
    "negative.mp4": f"{BOTH} -movflags frag_keyframe+delay_moov+negative_cts_offsets",
    "hybrid.mp4": f"{BOTH} -movflags hybrid_fragmented",
    "cmaf.mp4": f"{VIDEO} {H264} -g 4 -movflags cmaf+frag_keyframe",
    "dash.mp4": f"{VIDEO} {H264} -g 4 -movflags dash+frag_keyframe+empty_moov",
    "indexed.mp4": f"{BOTH} -movflags frag_keyframe+empty_moov+global_sidx+default_base_moof",
    "no_index.mp4": f"{BOTH} -movflags frag_keyframe+empty_moov+skip_trailer",
    "no_edits.mp4": f"{BOTH} -use_editlist 0",
    "room.mp4": f"{BOTH} -moov_size 20000",
    "hints.mp4": f"{BOTH} -movflags rtphint",
    "late.mp4": f"-itsoffset 0.7 {BOTH}",
    "hours_late.mp4": f"-itsoffset 7200 {VIDEO} {H264} -copyts",
    "pause.mp4": f"{VIDEO} {H264} -vf setpts=PTS+gte(N\\,6)*600/TB -fps_mode passthrough",
    "hourly.mp4": f"{VIDEO} {H264} -vf setpts=N*3600/TB -fps_mode passthrough",
    "hourly_fragments.mp4": f"{VIDEO} {H264} -g 3 -vf setpts=N*3600/TB -fps_mode passthrough "
    "-movflags frag_keyframe+empty_moov",
    "variable.mp4": f"{VIDEO} {H264} -vf setpts=N*N*0.004/TB -fps_mode passthrough",
    "time_code.mov": f"{VIDEO} {SOUND} -c:v prores_ks -c:a pcm_s24le -timecode 01:00:00:00",
    "old_sound.mov": f"{VIDEO} {SOUND} -c:v mjpeg -c:a adpcm_ima_qt",
    "raw.mov": f"{VIDEO} -c:v rawvideo -pix_fmt rgb24",
    "two.mp4": f"{VIDEO} {VIDEO} -map 0 -map 1 {H264}",
    "cover.mp4": f"{VIDEO} {COVER} -map 0 -map 1 {H264} -frames:v:1 1 -c:v:1 png "
    "-disposition:v:1 attached_pic",
}


@pytest.mark.parametrize("name", SOUND_FILES)
def test_an_odd_file_that_is_legal_is_not_blamed(tmp_path: Path, name: str) -> None:
    seen = check(make(tmp_path / name, SOUND_FILES[name]))
    assert seen.defects == ()
    assert seen.declared_frames == FRAMES


def test_a_picture_may_stand_for_hours_while_sound_goes_on(tmp_path: Path) -> None:
    pictures = "-f lavfi -i testsrc=size=64x48:rate=24:duration=0.125"
    silence = "-f lavfi -i anullsrc=r=8000:cl=mono:d=4000 -c:a flac"
    late = "-vf setpts=gte(N\\,2)*3700/TB+N/24/TB -fps_mode passthrough"
    slides = make(tmp_path / "a.mp4", f"{pictures} {silence} {H264} {late}")
    assert words(slides) == []
    alone = make(tmp_path / "b.mp4", f"{pictures} {H264} {late}")
    assert words(alone)[0] == "time jumps by 1.0 hours at 0.04 s"


def test_a_leap_of_hours_is_named_with_its_second(tmp_path: Path) -> None:
    late = "-vf setpts=PTS+gte(N\\,6)*10800/TB -fps_mode passthrough"
    for flags in ("faststart", "frag_keyframe+empty_moov"):
        path = make(tmp_path / "a.mp4", f"{VIDEO} {H264} -bf 0 -g 3 {late} -movflags {flags}")
        (defect, *_) = check(path).defects
        assert defect.detail.startswith("time jumps by 3.0 hours at 0.2")
        assert defect.at_s == pytest.approx(0.25, abs=0.05)


@pytest.fixture
def mp4(studio: Studio, tmp_path: Path) -> Path:
    """A copy of a file with a picture of 12 frames in 2 key frames and an edit list."""
    return Path(shutil.copy(studio("h264.mp4"), tmp_path / "a.mp4"))


def half(data: bytes) -> bytes:
    """Let the first sample be a byte shorter than it is."""
    (size,) = struct.unpack_from(">I", data, data.index(b"stsz") + 16)
    return after(data, b"stsz", 12, struct.pack(">I", size - 1))


CHANGES: dict[str, tuple[Change, str]] = {
    "a hole": (half, "1 bytes of media data belong to no sample, the first at byte "),
    "a key frame": (
        lambda data: after(data, b"stss", 8, struct.pack(">I", 13)),
        "stss box names key frame 13 before 13, of 12 samples",
    ),
    "a description": (
        lambda data: after(data, b"stsc", 16, struct.pack(">I", 9)),
        "stsc box names description 9 of 1",
    ),
    "a first chunk": (
        lambda data: after(data, b"stsc", 8, struct.pack(">I", 2)),
        "stsc box does not begin with the first chunk",
    ),
    "offsets of times": (
        lambda data: after(data, b"ctts", 8, struct.pack(">I", 40)),
        "the sample table has 12 samples and ",
    ),
    "an offset of hours": (
        lambda data: after(data, b"ctts", 12, struct.pack(">I", 12288 * 7200)),
        "a frame is shown 2.0 hours off its place",
    ),
    "no rate": (
        lambda data: after(data, b"stts", 12, bytes(4)),
        "all 12 frames are at the same time: 0 frames per second",
    ),
    "no duration": (
        lambda data: after(data, b"mvhd", 16, bytes(4)),
        "the movie header declares a duration of 0",
    ),
    "the media's duration": (
        lambda data: after(data, b"mdhd", 16, struct.pack(">I", 12288 * 90)),
        "the samples last 0.50 s, their header says 90.00 s",
    ),
    "the edits' duration": (
        lambda data: after(data, b"elst", 8, struct.pack(">I", 90_000)),
        "the edit list presents 89.",
    ),
    "the track's duration": (
        lambda data: after(data.replace(b"edts", b"free"), b"tkhd", 20, struct.pack(">I", 90_000)),
        "a track lasts 0.50 s, its header says 90.00 s",
    ),
    "endless samples": (
        lambda data: after(
            after(data, b"stsz", 4, struct.pack(">II", 1, 2**32 - 1)),
            b"stts",
            8,
            struct.pack(">I", 2**32 - 1),
        ),
        "the sample table has 4294967295 samples, its chunks 12",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_contradiction_is_named(mp4: Path, change: str) -> None:
    alter, expected = CHANGES[change]
    assert changed(mp4, alter)[0].startswith(expected)


def test_only_where_the_writer_leaves_no_holes_is_a_hole_a_defect(mp4: Path) -> None:
    assert changed(mp4, lambda data: half(data).replace(b"Lavf", b"Else")) == []


def test_unknown_durations_contradict_nothing(mp4: Path) -> None:
    def unknown(data: bytes) -> bytes:
        data = data.replace(b"edts", b"free")
        for box, skip in ((b"mvhd", 16), (b"mdhd", 16), (b"tkhd", 20)):
            data = after(data, box, skip, b"\xff" * 4)
        return data

    assert changed(mp4, unknown) == []


def test_chunks_do_not_share_bytes_unless_all_of_them(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", f"{BOTH} -movflags faststart")
    data = path.read_bytes()
    at = data.index(b"stco", data.index(b"stco") + 4) + 12  # the sound's first chunk
    (first,) = struct.unpack_from(">I", data, data.index(b"stco") + 12)
    path.write_bytes(data[:at] + struct.pack(">I", first + 1) + data[at + 4 :])
    (defect,) = check(path).defects
    assert defect.detail == f"two chunks share the bytes at byte {first + 1}"
    assert defect.offset == first + 1


def fragments(data: bytes) -> list[int]:
    """Where the fragments begin, and where the last ends."""
    starts, at = [], data.find(b"moof")
    while at >= 0:
        starts.append(at - 4)
        at = data.find(b"moof", at + 4)
    return [*starts, data.index(b"mfra") - 4]


def drop(data: bytes) -> bytes:
    second, third = fragments(data)[1:3]
    return data[:second] + data[third:]


def double(data: bytes) -> bytes:
    second, third = fragments(data)[1:3]
    return data[:third] + data[second:third] + data[third:]


def swap(data: bytes) -> bytes:
    first, second, third = fragments(data)[:3]
    return data[:first] + data[second:third] + data[first:second] + data[third:]


FRAGMENT_CHANGES: dict[str, tuple[Change, str]] = {
    "dropped": (drop, "fragments missing before byte "),
    "doubled": (double, "fragment 2 is there twice, at byte "),
    "swapped": (swap, " begins before the one that it follows"),
    "moved": (
        lambda data: after(data, b"trun", 8, struct.pack(">i", -5000)),
        "fragment 1 lies outside the media data, at byte ",
    ),
    "too many": (
        lambda data: after(data, b"trun", 4, struct.pack(">I", 2**31)),
        " declares 2147483648 samples and is too short",
    ),
    "index": (
        lambda data: after(data, b"tfra", 16 + 8 + 4, b"\x7f\x7f"),
        "the index names a fragment at byte ",
    ),
    "no number": (lambda data: data.replace(b"mfhd", b"free", 1), "mfhd box missing inside moof"),
    "no header": (lambda data: data.replace(b"tfhd", b"free", 1), "tfhd box missing inside traf"),
    "cut": (lambda data: data[: fragments(data)[-1] - 9], "mdat box cut off: "),
}


@pytest.mark.parametrize("change", FRAGMENT_CHANGES)
def test_fragments_are_whole_and_in_order(tmp_path: Path, change: str) -> None:
    alter, expected = FRAGMENT_CHANGES[change]
    path = make(tmp_path / "a.mp4", f"{BOTH} -movflags frag_keyframe+empty_moov+default_base_moof")
    assert expected in changed(path, alter)[0]


def test_an_index_of_segments_tells_what_was_cut_off(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", SOUND_FILES["indexed.mp4"])
    data = path.read_bytes()
    path.write_bytes(data[: fragments(data)[-2]])
    (defect,) = check(path).defects
    assert defect.detail.startswith("cut off: the index promises ")
    assert defect.offset == fragments(data)[-2]
    path.write_bytes(after(data, b"sidx", 33, b"\1"))
    assert "the index " in words(path)[0]


def tables(**changed_tables: bytes) -> dict[bytes, bytes]:
    """A track of four samples in two chunks."""
    usual = {
        "stsd": bytes(7) + b"\1",
        "stts": struct.pack(">IIII", 0, 1, 4, 10),
        "stsz": struct.pack(">III4I", 0, 0, 4, 1, 2, 3, 4),
        "stco": struct.pack(">IIII", 0, 2, 100, 200),
        "stsc": struct.pack(">IIIII", 0, 1, 1, 2, 1),
    }
    return {name.encode(): value for name, value in {**usual, **changed_tables}.items() if value}


@pytest.mark.parametrize(
    ("bits", "sizes"), [(4, b"\x12\x34"), (8, bytes([1, 2, 3, 4])), (16, b"\0\1\0\2\0\3\0\4")]
)
def test_sizes_may_be_stored_in_few_bits(bits: int, sizes: bytes) -> None:
    compact = bytes(7) + bytes([bits]) + struct.pack(">I", 4) + sizes
    assert list(SampleTable.parse(tables(stsz=b"", stz2=compact)).extents()) == [(100, 3), (200, 7)]
    with pytest.raises(base.Damaged, match="too short"):
        SampleTable.parse(tables(stsz=b"", stz2=compact[:-1]))


def test_chunks_may_have_offsets_of_64_bits_and_samples_one_size() -> None:
    wide = struct.pack(">IIQQ", 0, 2, 2**33, 2**34)
    table = SampleTable.parse(tables(stco=b"", co64=wide, stsz=struct.pack(">III", 0, 7, 4)))
    assert list(table.extents()) == [(2**33, 14), (2**34, 14)]


@pytest.mark.parametrize(
    ("changed_tables", "expected"),
    [
        ({"stsc": struct.pack(">II6I", 0, 2, 1, 2, 1, 1, 2, 1)}, "chunk 1 after chunk 1"),
        ({"stsc": b"\0\0"}, "too short to hold its own count"),
        ({"stco": b""}, "stco box missing"),
        ({"stss": struct.pack(">IIII", 0, 2, 3, 2)}, "key frame 3 before 2"),
        ({"stz2": bytes(7) + b"\5" + bytes(4)}, "sizes of no bits"),
    ],
)
def test_a_table_that_cannot_be_is_refused(changed_tables: dict[str, bytes], expected: str) -> None:
    with pytest.raises(base.Damaged, match=expected):
        SampleTable.parse(tables(**changed_tables))
