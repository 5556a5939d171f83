"""Ids inside files are read back as the savers write them; nothing in them can forge a count."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from reconciler.outputs.inspect import inspect
from reconciler.outputs.tags import from_ffmetadata, ids
from reconciler.outputs.wanted import Wanted

from .conftest import FRAMES, H264, SOUND, TAGS, VIDEO, exif, make, pictures

BOTH = {"job_id": "42", "prompt_id": "1f0e"}
#: What ffmpeg prints, reports and lists, and what its metadata text looks like.
IMITATION = """x
frame=9999
progress=end
#media_type 0: video
0, 0, 0, 512, 1, 0x0
job_id=7
[error] h264: corrupt decoded frame
frame= 9999 fps=0.0 q=-0.0 Lsize=N/A time=01:00:00.00 bitrate=N/A speed=1x
"""


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("a.mp4", f"{VIDEO} {H264} -movflags use_metadata_tags"),
        ("b.mp4", f"{VIDEO} {H264} -movflags use_metadata_tags+faststart"),
        ("a.mkv", f"{VIDEO} {H264}"),
        ("a.flac", SOUND),
        ("a.mp3", SOUND),
        ("a.opus", SOUND),
        ("a.ogg", SOUND),
    ],
)
def test_tags_are_read_back(tmp_path: Path, name: str, recipe: str) -> None:
    seen = inspect(make(tmp_path / name, recipe, *TAGS))
    assert (dict(seen.tags), seen.defects) == (BOTH, ())


def test_webm_writes_names_in_upper_case(tmp_path: Path) -> None:
    path = make(tmp_path / "a.webm", f"{VIDEO} -c:v libvpx -deadline realtime", *TAGS)
    assert b"JOB_ID" in path.read_bytes()
    assert dict(inspect(path).tags) == BOTH


def test_png_text_and_webp_exif_are_read_back(gallery: Path) -> None:
    for name in ("still.png", "moving.webp"):
        assert dict(inspect(gallery / name).tags) == {"job_id": "42"}


def test_a_file_without_tags_has_none(gallery: Path) -> None:
    assert dict(inspect(gallery / "still.jpg").tags) == {}


def test_a_graph_of_megabytes_does_not_hide_the_tags_after_it(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(1_500_000).hex()
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", json.dumps({"1": noise}))
    text.add_text("job_id", '"42"')
    pictures(1)[0].save(tmp_path / "a.png", pnginfo=text)
    pictures(1)[0].save(tmp_path / "a.webp", exif=exif(prompt=noise[:40_000], job_id='"42"'))
    metadata = tmp_path / "metadata.txt"
    metadata.write_text(f";FFMETADATA1\nprompt={noise}\njob_id=42\n")
    tagged = ["-i", str(metadata), "-map", "0:v", "-map_metadata", "1"]
    flags = ["-movflags", "use_metadata_tags"]
    make(tmp_path / "a.mp4", f"{VIDEO}", *tagged, *H264.split(), *flags)
    assert (tmp_path / "a.mp4").stat().st_size > 3_000_000
    for name in ("a.png", "a.webp", "a.mp4"):
        seen = inspect(tmp_path / name)
        assert (dict(seen.tags), seen.defects) == ({"job_id": "42"}, ())


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_metadata_that_imitates_ffmpeg_changes_nothing(tmp_path: Path, name: str) -> None:
    values = ["-metadata", f"prompt={IMITATION}", "-metadata", f"title={IMITATION}"]
    values += ["-metadata:s:v", f"handler_name={IMITATION}", "-metadata", f"{IMITATION}=x"]
    recipe = f"{VIDEO} {H264}" + (" -movflags use_metadata_tags" if name == "a.mp4" else "")
    seen = inspect(make(tmp_path / name, recipe, *values))
    assert (seen.frames, seen.fps, seen.defects) == (FRAMES, 24.0, ())
    assert dict(seen.tags) == {}


@pytest.mark.parametrize(
    ("value", "id_"),
    [
        ('"42"', "42"),
        ("42", "42"),
        ("-7", "-7"),
        ("shot-7", "shot-7"),
        ('"1f0e"', "1f0e"),
        ('"42\\n"', None),
        ("", None),
        ('""', None),
        ("null", None),
        ("true", None),
        ("1.5", None),
        ('{"id": 1}', None),
        ("[" * 1500, None),
        ("x" * 201, None),
        ('"' + "x" * 200 + '"', "x" * 200),
        ("9" * 5000, None),
        ("half \udcff", None),
    ],
)
def test_a_value_is_an_id_or_is_left_out(value: str, id_: str | None) -> None:
    assert ids([("job_id", value)]) == ({} if id_ is None else {"job_id": id_})


def test_of_two_tags_by_one_name_the_first_counts() -> None:
    pairs = [("JOB_ID", "1"), ("job_id", "2"), ("Prompt_Id", '"p"'), ("job_idx", "3")]
    assert ids(pairs) == {"job_id": "1", "prompt_id": "p"}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b";FFMETADATA1\njob_id=42\n", {"job_id": "42"}),
        (b"prompt=a\\\njob_id=7\nJOB_ID=42\n", {"job_id": "42"}),
        (b"prompt=ends with a backslash\\\\\njob_id=42\n", {"job_id": "42"}),
        (b'job_id="a\\=b\\;c\\#d"\n', {"job_id": "a=b;c#d"}),
        (b"job_id=42\n[STREAM]\njob_id=7\nprompt_id=p\n", {"job_id": "42", "prompt_id": "p"}),
        (b"job_id=cut off by the lim", {}),
        (b"job_id=\xff\xfe\n", {"job_id": "��"}),
        (b"", {}),
    ],
)
def test_an_ffmetadata_text_is_read_entry_by_entry(data: bytes, found: dict[str, str]) -> None:
    assert from_ffmetadata(data) == found


def test_an_exif_value_without_a_name_is_no_tag(tmp_path: Path) -> None:
    data = Image.Exif()
    data[0x010F] = "job_id"
    data[0x0110] = "Canon"
    pictures(1)[0].save(tmp_path / "a.webp", exif=data)
    assert dict(inspect(tmp_path / "a.webp").tags) == {}


def test_tags_are_found_where_nobody_asked_for_a_thumbnail(
    studio: Callable[[str], Path], tmp_path: Path
) -> None:
    source = ["-i", str(studio("h264.mp4")), "-c", "copy", "-movflags", "use_metadata_tags"]
    path = make(tmp_path / "a.mp4", "", *source, *TAGS)
    assert dict(inspect(path, wanted=Wanted(thumbnail=False)).tags) == BOTH
