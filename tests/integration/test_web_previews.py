"""Previews of real files over HTTP: pictures, or why there is none."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from reconciler.store.output_ids import OutputFinder
from reconciler.web.previews import running_prompt
from tests.integration.previewing import IMAGE, Gallery, Studio
from tests.unit.outputs_inspect.conftest import gallery, make, studio

#: Fixtures that are another folder's.
__all__ = ["gallery", "studio"]


@pytest.fixture(scope="module")
def house(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with Gallery(module_database, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def shows(house: Gallery) -> Gallery:
    """One that several tests share, each with a folder of its own."""
    return house.fresh()


@pytest.fixture
def alone(database: str, tmp_path: Path) -> Iterator[Gallery]:
    """One for a test that changes more than its own files."""
    with Gallery(database, tmp_path) as alone:
        yield alone


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def words(svg: bytes) -> str:
    """All that a placeholder says; it has to be XML."""
    return " ".join(ElementTree.fromstring(svg).itertext())


@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "moving.gif", "hevc.mp4", "mpeg4.avi"])
def test_a_film_has_a_sheet_of_twelve_frames_and_an_animation(
    shows: Gallery, studio: Studio, name: str
) -> None:
    output = shows.put(studio(name))
    first = shows.get(output, "sheet")
    assert (first.status_code, first.headers["retry-after"]) == (202, "1")
    assert first.json() == {"status": "being made", "retry_after_s": 1}
    sheet = shows.made(output, "sheet")
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "image/jpeg")
    assert picture(sheet.content).size == (4 * 64 + 3 * 4, 3 * 48 + 2 * 4)
    moving = shows.made(output, "animation")
    assert moving.headers["content-type"] == "image/webp"
    shown = picture(moving.content)
    assert shown.size == (64, 48)
    assert shown.n_frames > 3, "equal frames are one"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["moving.webp", "moving.png"])
def test_animated_stills_too(shows: Gallery, gallery: Path, name: str) -> None:
    output = shows.put(gallery / name)
    assert picture(shows.made(output, "sheet").content).size == (4 * 64 + 3 * 4, 3 * 48 + 2 * 4)
    assert shows.made(output, "animation").status_code == 200


def test_a_still_is_shown_larger_and_nothing_moves(shows: Gallery, tmp_path: Path) -> None:
    make(tmp_path / "large.png", "-f lavfi -i testsrc2=size=2000x1000 -frames:v 1")
    output = shows.put(tmp_path / "large.png")
    assert picture(shows.made(output, "sheet").content).size == (640, 320)
    assert picture(shows.get(output, "thumbnail").content).size == (320, 160)
    refused = shows.get(output, "animation")
    assert refused.status_code == 404
    assert "still" in refused.json()["detail"]


def test_what_was_made_is_kept_and_not_sent_twice(alone: Gallery, studio: Studio) -> None:
    output = alone.put(studio("h264.mp4"))
    made = alone.made(output, "sheet")
    [kept] = alone.kept
    assert kept.read_bytes() == made.content
    again = alone.get(output, "sheet", if_none_match=made.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    (alone.folder / "h264.mp4").unlink()
    assert alone.get(output, "sheet").content == made.content, "it is seen though its file is gone"


def test_sound_alone_says_that_there_is_nothing_to_see(shows: Gallery, studio: Studio) -> None:
    output = shows.put(studio("sound.wav"))
    for kind in ("thumbnail", "sheet", "animation"):
        refused = shows.get(output, kind)
        assert (refused.status_code, refused.headers["cache-control"]) == (404, "no-store")
        assert "sound alone" in refused.json()["detail"]
        assert "sound alone" in words(shows.get(output, kind, **IMAGE).content)


def test_a_damaged_file_has_a_placeholder_that_says_why(shows: Gallery, studio: Studio) -> None:
    cut = shows.folder / "<script>alert(1)<script>.mp4"
    cut.write_bytes(studio("h264.mp4").read_bytes()[:-900])
    (shows.folder / "empty.png").touch()
    for path, reason in ((cut, "moov"), (shows.folder / "empty.png", "empty")):
        output = shows.know(path)
        for kind in ("sheet", "animation", "thumbnail"):
            shown = shows.get(output, kind, **IMAGE)
            assert (shown.status_code, shown.headers["content-type"]) == (404, "image/svg+xml")
            assert shown.headers["cache-control"] == "no-store"
            assert "sandbox" in shown.headers["content-security-policy"]
            assert shown.headers["x-content-type-options"] == "nosniff"
            assert "Damaged" in words(shown.content)
            assert reason in words(shown.content)
            assert reason in shows.get(output, kind).json()["detail"]
    assert shows.get(output, "sheet").status_code == 404


def test_what_nothing_can_decode_says_so(shows: Gallery) -> None:
    heic = shows.folder / "picture.heic"
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(100))
    refused = shows.get(shows.know(heic), "sheet")
    assert refused.status_code == 404
    assert "decode" in refused.json()["detail"]


def test_huge_dimensions_are_refused_before_they_are_decoded(shows: Gallery) -> None:
    path = shows.folder / "huge.bmp"
    header = b"BM" + (2**31 - 1).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    sizes = (40).to_bytes(4, "little") + 2 * (60_000).to_bytes(4, "little")
    path.write_bytes(header + sizes + b"\1\0\x18\0" + bytes(24 + 1000))
    refused = shows.get(shows.know(path), "sheet")
    assert refused.status_code == 404
    assert "damaged" in refused.json()["detail"]


def test_words_of_others_are_text_in_a_placeholder(alone: Gallery) -> None:
    path = alone.folder / "a.png"
    path.touch()
    output = alone.know(path)
    evil = '<script xmlns="x">alert(1)</script>&amp;]]>\x1b[31m' + "W" * 5000
    with alone.store.connection.writing() as cursor:
        cursor.execute(
            "update reconciler.outputs set inspection ="
            " jsonb_set(inspection, '{defects,0,detail}', to_jsonb(%s::text))",
            (evil,),
        )
    svg = alone.get(output, "sheet", **IMAGE).content
    assert b"<script" not in svg
    assert len(svg) < 8000
    assert "<script" in words(svg)


def test_a_file_that_is_gone_changed_or_elsewhere(
    shows: Gallery, studio: Studio, gallery: Path, tmp_path: Path
) -> None:
    gone, changed = shows.put(studio("h264.mp4")), shows.put(gallery / "still.png")
    (shows.folder / "h264.mp4").unlink()
    (shows.folder / "still.png").write_bytes((gallery / "moving.png").read_bytes())
    outside = tmp_path / "still.png"
    outside.write_bytes((gallery / "still.png").read_bytes())
    for output, status, said in (
        (gone, 410, "not there any more"),
        (changed, 409, "changed or replaced"),
        (shows.know(outside), 404, "'gpu'"),
    ):
        for what in ("sheet", "file"):
            refused = shows.get(output, what)
            assert refused.status_code == status
            assert said in refused.json()["detail"]
    assert shows.get(gone, "thumbnail").status_code == 200, "that lies in the database"


def test_a_file_of_another_host_with_a_directory_of_the_same_name(
    alone: Gallery, gallery: Path
) -> None:
    alone.store.outputs.spaces.put(alone.folder, "gpu2")
    output = alone.put(gallery / "still.png")
    assert alone.made(output, "sheet").status_code == 200, "it is this host"
    (alone.folder / "still.png").write_bytes(b"another host's")
    refused = alone.get(output, "file")
    assert refused.status_code == 404
    assert "the host of the server 'gpu'" in refused.json()["detail"]


@pytest.mark.parametrize("output", ["0" * 32, "x", "..%2f..%2fetc%2fpasswd", "%00", "a" * 65])
@pytest.mark.parametrize("what", ["thumbnail", "sheet", "animation", "file"])
def test_an_id_of_no_output(shows: Gallery, output: str, what: str) -> None:
    assert shows.get(output, what).status_code in (404, 422)


def test_the_preview_of_a_job_is_its_main_outputs(
    shows: Gallery, studio: Studio, gallery: Path
) -> None:
    rows = shows.store.connection
    with rows.writing() as cursor:
        cursor.execute("insert into production_jobs (status) values ('completed') returning id")
        job = str(cursor.fetchall()[0]["id"])
    assert shows.web.get(f"/api/v1/jobs/{job}/preview").json()["detail"].endswith("so far")
    shows.put(gallery / "still.png", job_id=job)
    shows.put(studio("h264.mp4"), job_id=job)
    answer = shows.web.get(f"/api/v1/jobs/{job}/preview")
    assert picture(answer.content).size == (64, 48)
    refused = shows.web.get(f"/api/v1/jobs/{job}/preview?kind=live")
    assert refused.status_code == 404
    assert "does not run" in refused.json()["detail"]
    assert shows.web.get("/api/v1/jobs/999/preview").status_code == 404
    assert shows.web.get(f"/api/v1/jobs/{job}/preview?kind=film").status_code == 422


def test_a_job_that_was_answered_from_the_cache_shows_the_earlier_file(
    shows: Gallery, gallery: Path
) -> None:
    output = shows.put(gallery / "still.png", job_id="earlier")
    found = OutputFinder(shows.store.connection).one(output)
    assert found is not None
    with shows.store.connection.writing() as cursor:
        cursor.execute("insert into production_jobs (status) values ('completed') returning id")
        job = str(cursor.fetchall()[0]["id"])
        cursor.execute(
            "insert into reconciler.prompts (prompt_id, job_id, attempt) values ('cached', %s, 1)",
            (job,),
        )
        cursor.execute(
            "insert into reconciler.listings (prompt_id, path, reused) values ('cached', %s, true)",
            (os.fsencode(found.path),),
        )
    assert (
        shows.web.get(f"/api/v1/jobs/{job}/preview").content
        == shows.get(output, "thumbnail").content
    )


def test_of_a_batch_the_prompt_is_watched_that_runs(shows: Gallery) -> None:
    with shows.store.connection.writing() as cursor:
        cursor.execute(
            "insert into production_jobs (status, comfyui_job_id)"
            " values ('processing', 'first') returning id"
        )
        job = str(cursor.fetchall()[0]["id"])
        for prompt, ending in (
            ("first", '{"kind": "success", "source": "history"}'),
            ("next", None),
        ):
            cursor.execute(
                "insert into reconciler.prompts (prompt_id, job_id, attempt, server,"
                " running_since, ending) values (%s, %s, 1, 'gpu', now(), %s)",
                (prompt, job, ending),
            )
    view = shows.store.views.one(job)
    assert view is not None
    assert running_prompt(shows.store, view) == ("gpu", "next")


def test_kinds_can_be_switched_off(database: str, tmp_path: Path, studio: Studio) -> None:
    with Gallery(database, tmp_path, sheet=False) as shows:
        output = shows.put(studio("h264.mp4"))
        assert "switched off" in shows.get(output, "sheet").json()["detail"]
        assert shows.made(output, "animation").status_code == 200


def test_the_oldest_go_where_there_is_no_more_room(
    database: str, tmp_path: Path, studio: Studio
) -> None:
    with Gallery(database, tmp_path, cache_bytes=20_000) as shows:
        names = ("h264.mp4", "vp9.webm", "moving.gif", "hevc.mp4", "mpeg4.avi")
        outputs = [shows.put(studio(name)) for name in names]
        for output in outputs:
            assert shows.made(output, "sheet").status_code == 200
        sizes = [path.stat().st_size for path in shows.kept]
        assert sum(sizes) <= 20_000
        assert 0 < len(sizes) < len(outputs)
        last = shows.get(outputs[-1], "sheet")
        assert last.status_code == 200, "the newest stays"


def test_where_nothing_can_be_kept_it_says_so(alone: Gallery, studio: Studio) -> None:
    (alone.settings.data_dir / "previews").write_text("no folder")
    refused = alone.made(alone.put(studio("h264.mp4")), "sheet")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert "cannot be kept" in refused.json()["detail"]
