"""Files of one save, by the names that savers really give; and the one that a user wants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.outputs.siblings import (
    group_of,
    has_sound_added,
    is_first_frame_alone,
    is_moving,
    main_of,
)

RECORDINGS = Path(__file__).parents[1] / "recordings"
VERSIONS = ("0.3.64", "0.33.0")


def outputs(version: str, kind: str) -> list[dict[str, object]]:
    """What a recorded history lists, node by node."""
    text = (RECORDINGS / f"comfyui-{version}" / f"{kind}.json").read_text(encoding="utf-8")
    nodes = json.loads(text)["history"]["outputs"].values()
    return [
        file
        for node in nodes
        for files in node.values()
        for file in files
        if isinstance(file, dict) and "filename" in file
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["vhs", "gif"])
def test_a_recorded_video_and_its_picture_are_one_group(version: str, kind: str) -> None:
    (file,) = outputs(version, kind)
    names = [str(file["workflow"]), str(file["filename"])]
    assert group_of(names[0]) == group_of(names[1]) is not None
    assert (main_of(names), main_of(names[::-1])) == (1, 0)
    assert is_first_frame_alone(names[0], [names[0]])
    assert not is_first_frame_alone(names[0], names)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["image", "video", "webm", "webp"])
def test_what_comfyuis_own_savers_write_stands_alone(version: str, kind: str) -> None:
    names = [str(file["filename"]) for file in outputs(version, kind)]
    assert names
    assert {group_of(name) for name in names} == {None}
    assert not any(is_first_frame_alone(name, names) for name in names)
    assert main_of(names) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_of_several_savers_the_last_video_is_the_main_one(version: str) -> None:
    names = [str(file["filename"]) for file in outputs(version, "multi")]
    main = main_of(names)
    assert main is not None
    assert names[main] == [name for name in names if name.endswith(".mp4")][-1]


@pytest.mark.parametrize(
    "name",
    [
        *("a_00001.png", "a_00001.mp4", "a_00001-audio.mp4", "a_00001.gif", "a_00001.webp"),
        *("a_00001.001.png", "a_00001-audio.webm", "a_00001.mov"),
    ],
)
def test_every_file_of_a_save_is_of_its_group(name: str) -> None:
    assert group_of(name) == "a_00001"


@pytest.mark.parametrize(
    "name",
    [
        *("a_00001_.png", "a.mp4", "a_0001.png", "a-audio.mp4", "a_00001", "_00001.png", ""),
        *("a_00001-Audio.mp4", "a_00001-sound.mp4", "a_00001.png.tmp.part"),
    ],
)
def test_what_stands_alone(name: str) -> None:
    assert group_of(name) is None
    assert not is_first_frame_alone(name, [])


def test_other_numbers_and_prefixes_are_other_groups() -> None:
    names = ["a_00001.png", "a_00002.png", "b_00001.png", "a_100001.png"]
    assert len({group_of(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("names", "main"),
    [
        (["a_00001.png", "a_00001.mp4", "a_00001-audio.mp4"], "a_00001-audio.mp4"),
        (["a_00001-audio.mp4", "a_00001.mp4", "a_00001.png"], "a_00001-audio.mp4"),
        (["a_00001.png", "a_00001.gif"], "a_00001.gif"),
        (["a_00001.webp", "a_00001.png"], "a_00001.webp"),
        (["a_00001-audio.mp4", "b_00001.mp4"], "b_00001.mp4"),
        (["x/a_00001-audio.mp4", "y/a_00001.mp4"], "y/a_00001.mp4"),
        (["a_00001_.png", "a_00002_.png"], "a_00001_.png"),
        (["a.webp", "b.png"], "a.webp"),
        (["a.png", "b.webp"], "a.png"),
        (["a.png", "b.MP4", "c.flac"], "b.MP4"),
        (["a_00001.001.png", "a_00001.png"], "a_00001.001.png"),
    ],
)
def test_the_file_that_a_user_wants(names: list[str], main: str) -> None:
    found = main_of(names)
    assert found is not None
    assert names[found] == main


def test_of_no_files_none_is_the_main_one() -> None:
    assert main_of([]) is None


def test_what_a_single_name_says() -> None:
    assert has_sound_added("a_00001-audio.mp4")
    assert not has_sound_added("a_00001.mp4")
    assert not has_sound_added("my-audio.mp4")
    assert is_moving("a.GIF")
    assert is_moving("a.webp")
    assert not is_moving("a.png")


def test_a_first_frame_is_alone_in_its_own_folder_only() -> None:
    still = "x/a_00001.png"
    assert is_first_frame_alone(still, [still, "y/a_00001.mp4", "x/a_00002.mp4"])
    assert not is_first_frame_alone(still, [still, "x/a_00001-audio.mp4"])
    assert not is_first_frame_alone("x/a_00001.mp4", [])
