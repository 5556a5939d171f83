"""Files that one save wrote together, and the one of them that a user wants.

VideoHelperSuite writes up to three under one number: the first frame as a picture that carries the
metadata (`clip_00001.png`), the video (`clip_00001.mp4`, or `.gif`), and the video again with sound
(`clip_00001-audio.mp4`), of which its history lists the last one only. It takes a number that no
file in the folder has, so files with one number are of one save. ComfyUI's own savers put an
underscore behind the number, and write one file for each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from reconciler.outputs.scan import VIDEO_SUFFIXES

#: `clip_00001.png`, `clip_00001-audio.mp4`, and `clip_00001.001.png` of a series of pictures.
_NAME = re.compile(r"(?P<stem>.+_\d{5,})(?P<audio>-audio)?(?:\.\d{3,6})?\.[0-9A-Za-z]{1,5}")
#: What moves, or may: an animated webp is called as a still one is.
_MOVING = VIDEO_SUFFIXES | {".webp"}


def group_of(name: str) -> str | None:
    """What the names of one save have in common, or None for a file that stands alone."""
    found = _NAME.fullmatch(name)
    return None if found is None else found["stem"]


def has_sound_added(name: str) -> bool:
    """True for the video that VideoHelperSuite wrote again, with sound."""
    found = _NAME.fullmatch(name)
    return found is not None and found["audio"] is not None


def is_moving(name: str) -> bool:
    """True for what may be a video, by its suffix."""
    return PurePath(name).suffix.lower() in _MOVING


def main_of(names: Sequence[str]) -> int | None:
    """Which of a job's files, in the order in which they were saved, the user wants; None of none.

    The last video, since a workflow saves its stills first and its finished video last, and of its
    group the one with sound; without any video the first file.
    """
    videos = [n for n, name in enumerate(names) if PurePath(name).suffix.lower() in VIDEO_SUFFIXES]
    videos = videos or [n for n, name in enumerate(names) if _is_moving_of_group(name)]
    if not videos:
        return 0 if names else None
    last = videos[-1]
    group = _key(names[last])
    with_sound = [n for n in videos if has_sound_added(names[n]) and _key(names[n]) == group]
    return with_sound[-1] if with_sound else last


def is_first_frame_alone(name: str, others: Sequence[str]) -> bool:
    """True for the picture of a save whose video is not among the `others`: never written.

    Only a PNG with a bare number is such a picture.
    """
    group = _key(name)
    if group is None or PurePath(name).suffix.lower() != ".png":
        return False
    return all(_key(other) != group for other in others if other != name)


def _is_moving_of_group(name: str) -> bool:
    return is_moving(name) and group_of(PurePath(name).name) is not None


def _key(name: str) -> tuple[str, str] | None:
    path = PurePath(name)
    group = group_of(path.name)
    return None if group is None else (str(path.parent), group)
