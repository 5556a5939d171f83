"""Pictures of files, made in the confined process: what they show, and what they cannot cost."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from reconciler.errors import InspectionError
from reconciler.outputs import picked
from reconciler.outputs.limits import Limits
from reconciler.outputs.picture import MAX_BYTES, PictureKind, PictureOrder
from reconciler.outputs.pool import Inspectors
from tests.unit.outputs_inspect.conftest import gallery, make, studio
from tests.unit.outputs_inspect.test_confined import CONFINE, PROLOGUE, program

__all__ = ["gallery", "studio"]

Studio = Callable[[str], Path]


@pytest.fixture(scope="module")
def pool() -> Iterator[Inspectors]:
    with closing(Inspectors(1, Limits(wall_s=30.0))) as pool:
        yield pool


def picture(pool: Inspectors, path: Path, order: PictureOrder) -> Image.Image:
    file = os.open(path, os.O_RDONLY)
    try:
        data = pool.picture(file, order)
    finally:
        os.close(file)
    assert len(data) <= MAX_BYTES
    return Image.open(io.BytesIO(data))


def sheet(frames: int, duration_s: float | None = None, px: int = 64) -> PictureOrder:
    return PictureOrder(PictureKind.SHEET, frames, duration_s, 12, px)


@pytest.fixture(scope="module")
def getting_brighter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 frames, black at first and white in the end."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    source = "color=black:size=64x48:rate=24:duration=10,geq=lum='N*255/239':cb=128:cr=128"
    return make(path, f"-f lavfi -i {source} -c:v libx264 -g 6 -pix_fmt yuv420p")


def brightness(image: Image.Image) -> list[int]:
    """Of each of the twelve frames of a sheet, in the middle."""
    places = [(col * 68 + 32, row * 52 + 24) for row in range(3) for col in range(4)]
    return [image.convert("L").getpixel(place) for place in places]  # type: ignore[misc]


@pytest.mark.parametrize("long", [False, True], ids=["every frame", "key frames alone"])
def test_frames_are_evenly_over_the_film(
    pool: Inspectors, getting_brighter: Path, long: bool
) -> None:
    order = sheet(picked.LONG_FRAMES + 1 if long else 240, 10.0)
    seen = brightness(picture(pool, getting_brighter, order))
    steps = [after - before for before, after in pairwise(seen)]
    assert all(step > 5 for step in steps), seen
    assert seen[0] < 40
    assert seen[-1] > 200


def test_a_long_film_with_hardly_a_key_frame_is_decoded_whole(
    pool: Inspectors, tmp_path: Path
) -> None:
    frames = picked.LONG_FRAMES + 100
    source = f"testsrc2=size=32x32:rate=100:duration={frames / 100}"
    path = make(
        tmp_path / "film.mp4",
        f"-f lavfi -i {source} -c:v libx264 -preset ultrafast -g 99999 -pix_fmt yuv420p",
    )
    assert picture(pool, path, sheet(frames, frames / 100, 32)).size == (4 * 32 + 12, 3 * 32 + 8)


def test_a_film_of_fewer_frames_shows_each(pool: Inspectors, gallery: Path, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", "-f lavfi -i testsrc2=size=64x48:rate=5:duration=1")
    assert picture(pool, path, sheet(5)).size == (4 * 64 + 12, 2 * 48 + 4)
    assert picture(pool, gallery / "still.png", sheet(1)).size == (64, 48)


def test_an_upright_film_has_an_upright_sheet(pool: Inspectors, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", "-f lavfi -i testsrc2=size=48x64:rate=24:duration=1")
    assert picture(pool, path, sheet(24)).size == (6 * 48 + 20, 2 * 64 + 4)


def test_noise_is_made_to_fit(pool: Inspectors, tmp_path: Path) -> None:
    source = "nullsrc=size=640x640:rate=6:duration=2,geq=random(1)*255:128:128"
    path = make(tmp_path / "a.mkv", f"-f lavfi -i {source} -c:v ffv1")
    moving = PictureOrder(PictureKind.ANIMATION, 12, 2.0, 12, 640)
    assert picture(pool, path, moving).size in ((640, 640), (320, 320))


def test_fewer_frames_than_were_told_are_no_trouble(
    pool: Inspectors, studio: Studio, gallery: Path
) -> None:
    assert picture(pool, studio("h264.mp4"), sheet(100)).size == (64, 48)
    assert picture(pool, gallery / "moving.webp", sheet(13)).size[0] > 64


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.mp4", b"", "empty"),
        ("a.mp4", b"#EXTM3U\nfile:///etc/passwd\n", "playlist"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(500), "cannot be decoded"),
        ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(500), "no frame of it"),
    ],
)
def test_what_cannot_be_shown_says_why(
    pool: Inspectors, tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InspectionError, match=said):
        picture(pool, tmp_path / name, sheet(12))


def test_huge_pictures_are_not_decoded(tmp_path: Path) -> None:
    path = make(tmp_path / "a.png", "-f lavfi -i color=size=4000x4000 -frames:v 1")
    film = make(tmp_path / "a.mp4", "-f lavfi -i color=size=1200x1200:duration=1")
    with closing(Inspectors(1, Limits(max_pixels=1_000_000))) as pool:
        for large in (path, film):
            with pytest.raises(InspectionError):
                picture(pool, large, sheet(1))


def test_one_that_takes_too_long_is_ended(getting_brighter: Path) -> None:
    with (
        closing(Inspectors(1, Limits(wall_s=0.01))) as pool,
        pytest.raises(InspectionError, match=r"longer than 0\.01 s"),
    ):
        picture(pool, getting_brighter, sheet(240))


def test_it_is_made_where_nothing_else_can_be_opened(getting_brighter: Path) -> None:
    order = "PictureOrder(PictureKind.{}, 240, 10.0, 12, 64)"
    makes = "".join(
        f"tell(lambda: make_picture(held, {order.format(kind.name)}, Limits()))\n"
        for kind in PictureKind
    )
    imports = "from reconciler.outputs.picture import *\nfrom PIL import Image\nImage.init()\n"
    forbidden = "tell(lambda: open(path))\ntell(lambda: socket.socket())\n"
    said = program(PROLOGUE + imports + CONFINE + makes + forbidden, getting_brighter)
    assert said == ["done", "done", "PermissionError", "PermissionError"]
