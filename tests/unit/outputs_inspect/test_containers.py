"""The structure checks alone: what each finds, in words, and that none is thrown by nonsense."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.outputs.containers import base, png
from reconciler.outputs.containers.base import Structure
from reconciler.outputs.containers.iso_boxes import Box
from reconciler.outputs.containers.iso_media import insist_inside
from reconciler.outputs.containers.iso_samples import Edit, SampleTable
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.sniff import HEAD_BYTES, Format, sniff

from .conftest import FRAMES, H264, VIDEO, make, pictures
from .structures import Change, Studio, after, check, opened, words

MP4_CHANGES: dict[str, tuple[Change, str]] = {
    "chunk": (
        lambda data: after(data, b"stco", 8, struct.pack(">I", 2**31)),
        "chunk 1 lies outside the media data, at byte 2147483648",
    ),
    "times": (
        lambda data: after(data, b"stts", 8, struct.pack(">I", 13)),
        "the sample table has 12 sizes and 13 times",
    ),
    "sizes": (
        lambda data: after(data, b"stsz", 8, struct.pack(">I", 2**30)),
        "stsz box declares 1073741824 entries and is too short for them",
    ),
    "layout": (
        lambda data: after(data, b"stsc", 12, struct.pack(">I", 5)),
        "the sample table has 12 samples, its chunks 5",
    ),
    "clock": (
        lambda data: after(data, b"mdhd", 12, bytes(4)),
        "mdhd box declares a clock of 0 ticks per second",
    ),
    "another file": (
        lambda data: after(data, b"url ", 0, bytes(4)),
        "a track refers to another file for its media data",
    ),
    "missing table": (
        lambda data: data.replace(b"stsc", b"skip"),
        "stsc box missing: the sample table is not whole",
    ),
    "missing header": (
        lambda data: data.replace(b"mvhd", b"skip"),
        "mvhd box missing: no movie header",
    ),
    "missing handler": (
        lambda data: data.replace(b"hdlr", b"skip", 1),
        "hdlr box missing inside mdia",
    ),
    "missing data": (
        lambda data: data.replace(b"mdat", b"skip"),
        "mdat box missing: there is no media data",
    ),
    "edits": (
        lambda data: after(data, b"elst", 4, struct.pack(">I", 999)),
        "elst box declares 999 entries and is too short for them",
    ),
    "size": (
        lambda data: data[:32] + struct.pack(">I", 3) + data[36:],
        "free box at byte 32 has an impossible size",
    ),
}


@pytest.mark.parametrize("change", MP4_CHANGES)
def test_an_mp4_that_contradicts_itself_is_unsound(
    studio: Studio, tmp_path: Path, change: str
) -> None:
    alter, expected = MP4_CHANGES[change]
    path = tmp_path / "a.mp4"
    path.write_bytes(alter(studio("h264.mp4").read_bytes()))
    assert words(path)[0] == expected


@pytest.mark.parametrize("name", ["h264.mp4", "faststart.mp4", "fragmented.mp4", "prores.mov"])
def test_an_mp4_declares_its_frames(studio: Studio, name: str) -> None:
    assert replace(check(studio(name)), setup=b"") == Structure(declared_frames=FRAMES)


def test_an_mp4_of_sound_alone_declares_no_frames(studio: Studio) -> None:
    assert check(studio("sound.m4a")) == Structure(has_video=False)


@pytest.mark.parametrize(
    ("edits", "presented"),
    [
        ((), 6),
        ((Edit(0, 60),), 6),
        ((Edit(10, 40),), 3),
        ((Edit(0, 10), Edit(50, None)), 2),
        ((Edit(15, None),), 4),
        ((Edit(60, None),), 0),
    ],
)
def test_an_edit_list_presents_what_begins_inside_it(
    edits: tuple[Edit, ...], presented: int
) -> None:
    """Six samples of ten ticks; the second and third are shown in reversed order."""
    times = {
        b"stsd": bytes(7) + b"\1",
        b"stts": struct.pack(">IIII", 0, 1, 6, 10),
        b"ctts": struct.pack(">IIIiIiIiIi", 0, 4, 1, 0, 1, 10, 1, -10, 3, 0),
        b"stsz": struct.pack(">III", 0, 100, 6),
        b"stco": struct.pack(">III", 0, 1, 1000),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, 6, 1),
    }
    table = SampleTable.parse(times)
    assert table.presented(edits) == presented
    insist_inside(table.extents(), [Box(b"mdat", 892, 900, 1600)])
    for media in ([Box(b"mdat", 892, 900, 1599)], []):
        with pytest.raises(base.Damaged, match="chunk 1 lies outside"):
            insist_inside(table.extents(), media)


def test_a_matroska_declares_its_rate_and_whether_there_is_a_picture(studio: Studio) -> None:
    seen = check(studio("ffv1.mkv"))
    assert seen.declared_frame_s == pytest.approx(1 / 24)
    assert not check(studio("sound.mka")).has_video


def test_clusters_of_unknown_size_are_walked(studio: Studio, tmp_path: Path) -> None:
    """What a live writer leaves: neither the Segment nor a Cluster has a size."""
    command = [ffmpeg(), "-v", "error", "-i", str(studio("vp9.webm")), "-c", "copy"]
    live = [*command, "-f", "webm", "-live", "1", "-cluster_size_limit", "300", "pipe:1"]
    data = subprocess.run(live, check=True, capture_output=True).stdout
    # the first bit that is set tells the length of a size; all bits after it: unknown
    one = re.compile(rb"(\x1f\x43\xb6\x75)[\x80-\xfe]")
    two = re.compile(rb"(\x1f\x43\xb6\x75)[\x40-\x7e].", re.DOTALL)
    data, short = one.subn(rb"\1" + b"\xff", data)
    data, long = two.subn(rb"\1" + b"\x7f\xff", data)
    assert short + long >= 2
    path = tmp_path / "live.webm"
    path.write_bytes(data)
    assert words(path) == []
    path.write_bytes(data[:-3])
    assert words(path)[0].startswith("Cluster cut off at byte")


WEBM_CHANGES: dict[str, tuple[Change, str]] = {
    "cut": (lambda data: data[:-1], "Cues cut off: "),
    "no cluster": (lambda data: data[: data.index(b"\x1f\x43\xb6\x75")], "Segment cut off: "),
    "junk": (
        lambda data: data.replace(b"\x1c\x53\xbb\x6b", b"\x1c\x53\xbb\x6c"),
        "no element at byte",
    ),
    "no segment": (
        lambda data: data.replace(b"\x18\x53\x80\x67", b"\x18\x53\x80\x68"),
        "Segment missing",
    ),
    "no header": (lambda data: data[:5], "the file ends at byte 5"),
}


@pytest.mark.parametrize("change", WEBM_CHANGES)
def test_a_webm_whose_elements_do_not_fill_it_is_unsound(
    studio: Studio, tmp_path: Path, change: str
) -> None:
    alter, expected = WEBM_CHANGES[change]
    path = tmp_path / "a.webm"
    path.write_bytes(alter(studio("vp9.webm").read_bytes()))
    assert words(path)[0].startswith(expected)


def test_an_avi_declares_its_frames_and_a_killed_writer_none(
    studio: Studio, tmp_path: Path
) -> None:
    assert check(studio("mpeg4.avi")).declared_frames == FRAMES
    path = tmp_path / "a.avi"
    path.write_bytes(after(studio("mpeg4.avi").read_bytes(), b"strh", 4 + 32, bytes(4)))
    assert words(path) == ["declares 0 frames: its writer never finished it"]
    path.write_bytes(studio("mpeg4.avi").read_bytes().replace(b"movi", b"junk"))
    assert words(path) == ["movi list missing"]


def test_a_gif_is_counted_and_needs_its_trailer(studio: Studio, tmp_path: Path) -> None:
    data = studio("moving.gif").read_bytes()
    assert check(studio("moving.gif")) == Structure(declared_frames=FRAMES)
    path = tmp_path / "a.gif"
    for changed, expected in (
        (data[:-1], "trailer missing: the file ends early"),
        (data[:13] + b";", "no picture in it"),
        (data[:-1] + b"x;", f"no block at byte {len(data) - 1}, where one must begin"),
    ):
        path.write_bytes(changed.replace(data[10:11], b"\0", 1) if len(changed) == 14 else changed)
        assert words(path) == [expected]


def test_a_png_is_checked_chunk_by_chunk(gallery: Path, tmp_path: Path) -> None:
    data = (gallery / "still.png").read_bytes()
    at = data.index(b"IDAT") - 4
    path = tmp_path / "a.png"
    for changed, expected in (
        (data[:-12], "IEND chunk missing: cut off"),
        (data[:-12] + b"\0\0\0\0\1\2\3\4" + data[-12:], "no chunk at byte"),
        (after(data, b"IDAT", 50, b"\0\0\0"), f"IDAT chunk at byte {at} has a wrong checksum"),
        (data[: at + 30], "IDAT chunk cut off: 30 of"),
        (data[:at] + data[-12:], "IDAT chunk missing: cut off"),
    ):
        path.write_bytes(changed)
        assert words(path)[0].startswith(expected)


def test_a_long_chunk_is_summed_up_in_steps(gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "STEP_BYTES", 7)
    assert words(gallery / "still.png") == []


def test_an_animated_png_declares_its_frames(gallery: Path) -> None:
    assert check(gallery / "moving.png") == Structure(declared_frames=FRAMES)
    assert check(gallery / "still.png") == Structure(has_video=False)


def test_a_webp_is_a_still_or_declares_its_frames(gallery: Path, tmp_path: Path) -> None:
    assert check(gallery / "moving.webp") == Structure(declared_frames=FRAMES)
    assert check(gallery / "still.webp") == Structure(has_video=False)
    path = tmp_path / "a.webp"
    path.write_bytes((gallery / "still.webp").read_bytes().replace(b"VP8 ", b"JUNK"))
    assert words(path) == ["no picture: neither VP8, VP8L nor ANMF chunk"]


@pytest.mark.parametrize("how", [{"progressive": True}, {"restart_marker_rows": 1}, {"quality": 5}])
def test_a_jpeg_of_any_kind_is_walked_to_its_end(tmp_path: Path, how: dict[str, int]) -> None:
    path = tmp_path / "a.jpg"
    pictures(1)[0].save(path, **how)
    assert words(path) == []
    data = path.read_bytes()
    path.write_bytes(data[:-2])
    assert words(path) == ["end marker missing: the picture is cut off"]
    path.write_bytes(data[:20] + b"\0\0" + data[20:])
    assert words(path) == ["no marker at byte 20, where one must begin"]


def test_a_jpeg_of_endless_scans_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8" + b"\xff\xda\x00\x02" * 1100 + b"\xff\xd9")
    assert words(path) == ["more than 1000 scans in one picture"]


def test_an_ogg_needs_its_last_page(studio: Studio, tmp_path: Path) -> None:
    data = studio("sound.ogg").read_bytes()
    path = tmp_path / "a.ogg"
    path.write_bytes(data[: data.rindex(b"OggS")])
    assert words(path) == ["last page missing: cut off"]
    path.write_bytes(data[:-1])
    assert words(path)[0].startswith("page cut off")


def test_a_wav_needs_its_data_and_may_come_from_a_pipe(studio: Studio, tmp_path: Path) -> None:
    data = studio("sound.wav").read_bytes()
    path = tmp_path / "a.wav"
    path.write_bytes(data.replace(b"data", b"junk"))
    assert words(path) == ["data chunk missing"]
    piped = after(after(data, b"RIFF", 0, b"\xff" * 4), b"data", 0, b"\xff" * 4)
    path.write_bytes(piped)
    assert words(path) == []


def test_a_flac_declares_its_duration(studio: Studio, tmp_path: Path) -> None:
    assert check(studio("sound.flac")).declared_duration_s == pytest.approx(1.0)
    path = tmp_path / "a.flac"
    path.write_bytes(studio("sound.flac").read_bytes()[:20])
    assert not check(path).decodable


def test_a_file_of_endless_headers_is_given_up(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MAX_READS", 10)
    assert words(studio("moving.gif")) == ["more than 10 headers, which no real file has"]


@pytest.mark.parametrize(
    "name",
    [
        *("h264.mp4", "fragmented.mp4", "vp9.webm", "mpeg4.avi", "moving.gif"),
        *("sound.wav", "sound.flac", "sound.ogg"),
    ],
)
def test_no_nonsense_throws_a_check(studio: Studio, tmp_path: Path, name: str) -> None:
    """Headers overwritten, bits flipped, ends cut off: always an answer, never an exception."""
    chance = random.Random(name)
    data = studio(name).read_bytes()
    marks = [at for at in range(len(data) - 4) if data[at : at + 4].isalpha()]
    path = tmp_path / name
    with opened(studio(name)) as source:
        known = sniff(source.head(HEAD_BYTES))
    assert isinstance(known, Format)
    for _ in range(150):
        changed = bytearray(data[: chance.choice([len(data), chance.randrange(len(data))])])
        for _ in range(chance.randrange(1, 6)):
            at = chance.choice([chance.choice(marks), chance.randrange(len(data))])
            at = max(0, min(at + chance.randrange(-8, 9), len(changed)))
            changed[at : at + 4] = chance.choice([chance.randbytes(4), b"\xff" * 4, bytes(4)])
        path.write_bytes(changed)
        with opened(path) as source:
            assert isinstance(known.check(source), Structure)


def test_a_fragment_is_counted_for_its_own_track(tmp_path: Path) -> None:
    recipe = f"{VIDEO} -f lavfi -i sine=duration=0.5 {H264} -g 4 -c:a aac"
    path = make(tmp_path / "a.mp4", recipe, "-movflags", "frag_keyframe+empty_moov")
    assert replace(check(path), setup=b"") == Structure(declared_frames=FRAMES)
