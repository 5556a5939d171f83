"""A file against what was expected of it, in words; odd but right files are not blamed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.expectation import Expectation, ExpectedFrames, FrameRule
from reconciler.outputs.expected import unmet
from reconciler.outputs.inspection import Inspection

VIDEO = Inspection(
    Path("a.mp4"), "video", 12_000, 1, 1,
    frames=72, fps=24.0, duration_s=3.0, width=512, height=512, container="mp4", has_audio=False,
)  # fmt: skip
WEBP = replace(VIDEO, container="webp")
GIF = replace(VIDEO, container="gif")


def exactly(count: int, **more: object) -> Expectation:
    return Expectation(frames=ExpectedFrames(count, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (exactly(73), "72 of 73 frames"),
        (exactly(73, rule=FrameRule.AT_LEAST), "72 of at least 73 frames"),
        (exactly(144, also=(143,)), "72 of 144 or 143 frames"),
        (Expectation(fps=16), "24.0 of 16 frames a second"),
        (Expectation(duration_s=5), "3.0 of 5.0 s"),
        (Expectation(width=1024, height=1024), "512 x 512 instead of 1024 x 1024 pixels"),
        (Expectation(height=1024), "512 x 512 instead of 1024 pixels high"),
        (Expectation(min_bytes=100_000), "12 kB, less than the 100 kB expected"),
        (Expectation(audio=True), "no sound, though it was expected"),
    ],
)
def test_each_mismatch_has_its_words(expected: Expectation, words: str) -> None:
    assert [defect.detail for defect in unmet(VIDEO, expected)] == [words]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (VIDEO, exactly(73, tolerance=1)),
        (VIDEO, exactly(60, rule=FrameRule.AT_LEAST)),
        (VIDEO, exactly(73, also=(72,))),
        (VIDEO, exactly(9, rule=FrameRule.IGNORE)),
        (replace(VIDEO, fps=23.976), Expectation(fps=24)),
        (replace(VIDEO, duration_s=3.04), Expectation(duration_s=3)),
        (replace(VIDEO, has_audio=None), Expectation(audio=True)),
        (replace(VIDEO, width=None, height=None), Expectation(width=1024)),
        (replace(VIDEO, media="image", frames=1, fps=None), replace(exactly(120), fps=24)),
        (replace(VIDEO, frames=None, fps=None, unjudged="no decoder"), exactly(72)),
        # Pillow's delays are whole: 41 ms for 24 frames a second in a webp, 0.04 s in a gif.
        (replace(WEBP, fps=24.39, duration_s=2.952), replace(exactly(72), fps=24)),
        (replace(WEBP, container="gif", fps=25.0, duration_s=2.88), replace(exactly(72), fps=24)),
        # Equal frames are merged: fewer pictures, for as long.
        (replace(WEBP, frames=60, fps=20.325, duration_s=2.952), replace(exactly(72), fps=24)),
        (replace(WEBP, frames=60, fps=20.325, duration_s=2.952), exactly(72)),
        (replace(WEBP, frames=60, fps=20.325, duration_s=2.952), Expectation(fps=24)),
        # In a gif the times of equal frames are added up before they are cut: 24 a second are
        # 41 or 42 ms each, 0.04 s where one is a picture, 0.29 s where seven are.
        (replace(GIF, frames=63, fps=21.799, duration_s=2.89), exactly(72)),
        (replace(GIF, frames=63, fps=21.724, duration_s=2.9), replace(exactly(72), fps=24)),
        (replace(GIF, frames=33, fps=11.301, duration_s=2.92), replace(exactly(72), fps=24)),
        (replace(GIF, frames=33, fps=7.5, duration_s=4.4), replace(exactly(72), fps=16)),
        (replace(GIF, frames=1, fps=0.294, duration_s=3.4), replace(exactly(81), fps=24)),
        (replace(GIF, frames=3, fps=1.128, duration_s=2.66), exactly(81)),
    ],
)
def test_what_is_as_expected_or_cannot_be_known(seen: Inspection, expected: Expectation) -> None:
    assert unmet(seen, expected) == ()


def test_a_lost_frame_is_no_merged_one() -> None:
    lost = replace(WEBP, frames=71, fps=24.39, duration_s=2.911)
    assert [d.detail for d in unmet(lost, replace(exactly(72), fps=24))] == ["71 of 72 frames"]
    assert [d.detail for d in unmet(lost, exactly(72))] == ["71 of 72 frames"]


def test_containers_of_video_merge_nothing() -> None:
    seen = replace(VIDEO, frames=60, fps=20.0)
    found = [d.kind for d in unmet(seen, replace(exactly(72), fps=24))]
    assert found == ["frames", "fps"]


@pytest.mark.parametrize("fps", [None, 24.0])
@pytest.mark.parametrize("duration_s", [2.84, 2.96])
def test_a_frame_that_is_missing_in_a_gif_was_not_merged(
    fps: float | None, duration_s: float
) -> None:
    seen = replace(GIF, frames=71, fps=71 / duration_s, duration_s=duration_s)
    assert [d.detail for d in unmet(seen, replace(exactly(72), fps=fps))] == ["71 of 72 frames"]


def test_a_rate_as_small_as_a_number_can_be_is_no_end_of_a_pass() -> None:
    assert unmet(replace(GIF, frames=71), replace(exactly(72), fps=5e-324))


@pytest.mark.parametrize("delay_s", [0.02, 0.03, 0.04, 0.05, 0.1])
@pytest.mark.parametrize("count", [6, 16, 72, 81, 120])
def test_a_missing_frame_is_missed_though_nobody_knows_the_rate(count: int, delay_s: float) -> None:
    seen = replace(GIF, frames=count - 1, fps=1 / delay_s, duration_s=(count - 1) * delay_s)
    assert unmet(seen, exactly(count))


@pytest.mark.parametrize(
    ("count", "fps", "duration_s"), [(12, 8, 1.38), (24, 12, 1.91), (12, 16, 0.69), (12, 24, 0.46)]
)
def test_a_missing_frame_of_a_short_gif(count: int, fps: float, duration_s: float) -> None:
    seen = replace(GIF, frames=count - 1, fps=fps, duration_s=duration_s)
    assert unmet(seen, replace(exactly(count), fps=fps))
