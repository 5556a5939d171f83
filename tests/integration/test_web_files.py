"""The files themselves over HTTP: whole, in ranges, and never another than the one inspected."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

import pytest

from reconciler.errors import OutputError
from reconciler.previews.known_files import KnownFiles
from reconciler.store.output_ids import OutputFinder
from tests.integration.previewing import Gallery, Studio
from tests.unit.outputs_inspect.conftest import gallery, studio


class Film(NamedTuple):
    """A file, and who shows it."""

    shows: Gallery
    id: str
    data: bytes


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


@pytest.fixture(scope="module")
def film(house: Gallery, studio: Studio) -> Film:
    """One that nothing happens to, for the tests that only look."""
    source = studio("h264.mp4")
    return Film(house, house.fresh().put(source), source.read_bytes())


def test_the_whole_file(film: Film) -> None:
    shows, output, data = film
    answer = shows.get(output, "file")
    assert (answer.status_code, answer.content) == (200, data)
    told = answer.headers
    assert (told["content-type"], told["content-length"]) == ("video/mp4", str(len(data)))
    assert (told["accept-ranges"], told["x-content-type-options"]) == ("bytes", "nosniff")
    assert told["content-disposition"].startswith('inline; filename="h264.mp4"')
    assert "sandbox" in told["content-security-policy"]
    head = shows.web.head(f"/api/v1/outputs/{output}/file")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(data))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=5-", 5, None),
        ("bytes=-7", -7, None),
        ("bytes=0-99999999999999", 0, None),
        ("bytes=-99999999999999", 0, None),
        ("BYTES = 3-4", 3, 5),
        ("bytes=3-4, 5-9", 3, 10),
        ("bytes=5-9,0-6", 0, 10),
        ("bytes=,1-2,,", 1, 3),
        ("bytes=1-2,99999999999-", 1, 3),
    ],
)
def test_a_part(film: Film, asked: str, first: int, last: int | None) -> None:
    shows, output, data = film
    answer = shows.get(output, "file", range=asked)
    wanted = data[first:last]
    start = len(data) + first if first < 0 else first
    assert (answer.status_code, answer.content) == (206, wanted)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(data)}"
    assert answer.headers["content-length"] == str(len(wanted))


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=",
        "bytes=-",
        "bytes=5-3",
        "bytes=a-b",
        "bytes=1-2;3-4",
        "bytes=--5",
        "bytes=1_0-20",
        "lines=1-2",
        "bytes 1-2",
        "1-2",
        "bytes=" + "0" * 30 + "-",
        "bytes=" + ",".join(f"{n * 3}-{n * 3}" for n in range(17)),
        "bytes=" + "1-1," * 2000,
    ],
)
def test_what_makes_no_sense_is_ignored(film: Film, asked: str) -> None:
    shows, output, data = film
    answer = shows.get(output, "file", range=asked)
    assert (answer.status_code, answer.content) == (200, data)


@pytest.mark.parametrize("asked", ["bytes={0}-", "bytes=9999999999-", "bytes=-0", "bytes={0}-,-0"])
def test_beyond_the_end(film: Film, asked: str) -> None:
    shows, output, data = film
    answer = shows.get(output, "file", range=asked.format(len(data)))
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(data)}")
    assert str(len(data)) in answer.json()["detail"]


def test_several_parts(film: Film) -> None:
    shows, output, data = film
    answer = shows.get(output, "file", range="bytes=0-4,100-109,-3")
    assert answer.status_code == 206
    assert answer.headers["content-length"] == str(len(answer.content))
    head = f"content-type: {answer.headers['content-type']}\r\n\r\n".encode()
    parts = message_from_bytes(head + answer.content).get_payload()
    assert isinstance(parts, list)
    found = [(part["content-range"], part.get_payload(decode=True)) for part in parts]
    size = len(data)
    assert found == [
        (f"bytes 0-4/{size}", data[:5]),
        (f"bytes 100-109/{size}", data[100:110]),
        (f"bytes {size - 3}-{size - 1}/{size}", data[-3:]),
    ]


def test_conditions(film: Film) -> None:
    shows, output, data = film
    first = shows.get(output, "file")
    tag, changed = first.headers["etag"], first.headers["last-modified"]
    part = {"range": "bytes=0-3"}
    for known in (tag, changed):
        assert shows.get(output, "file", if_range=known, **part).content == data[:4]
    for other in ('"other"', f"W/{tag}", "Mon, 01 Jan 2001 00:00:00 GMT"):
        assert shows.get(output, "file", if_range=other, **part).content == data
    for named in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = shows.get(output, "file", if_none_match=named, **part)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    assert shows.get(output, "file", if_none_match='"x"').status_code == 200
    head = shows.web.head(f"/api/v1/outputs/{output}/file", headers=part)
    assert head.status_code == 200, "ranges are for GET alone"


def test_an_empty_file_has_no_range(shows: Gallery) -> None:
    (shows.folder / "empty.mp4").touch()
    output = shows.know(shows.folder / "empty.mp4")
    assert shows.get(output, "file").content == b""
    assert shows.get(output, "file", range="bytes=0-").status_code == 416


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.html", "<!doctype html><script>alert(1)</script>"),
        ("drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("page.png", "<html><script>alert(1)</script>"),
        ('x";=\r\n.txt', "text"),
    ],
)
def test_pages_and_drawings_are_downloads(shows: Gallery, name: str, text: str) -> None:
    path = shows.folder / name
    path.write_text(text)
    answer = shows.get(shows.know(path), "file")
    assert (answer.text, answer.headers["content-type"]) == (text, "application/octet-stream")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].count('"') == 2


def test_a_film_that_is_named_a_page_is_a_film(shows: Gallery, studio: Studio) -> None:
    answer = shows.get(shows.put(studio("h264.mp4"), "film.html"), "file")
    assert answer.headers["content-type"] == "video/mp4"


def test_names_of_any_bytes(shows: Gallery, gallery: Path) -> None:
    name = os.fsdecode(b"\xff \xc3\xa9 '%.png")
    output = shows.put(gallery / "still.png", f"folder/{name}")
    answer = shows.get(output, "file")
    assert answer.content == (gallery / "still.png").read_bytes()
    assert "filename*=UTF-8''" in answer.headers["content-disposition"]


def test_a_link_leads_nowhere(shows: Gallery, gallery: Path, tmp_path: Path) -> None:
    """Neither one in the file's place, nor one in its folder's, whatever it leads to."""
    output = shows.put(gallery / "still.png", "folder/still.png")
    assert shows.get(output, "file").status_code == 200
    path = shows.folder / "folder" / "still.png"
    elsewhere = tmp_path / "elsewhere"
    shutil.move(path.parent, elsewhere)
    path.parent.symlink_to(elsewhere)  # the very same inode behind it
    refused = shows.get(output, "file")
    assert refused.status_code in (404, 410)
    path.parent.unlink()
    path.parent.mkdir()
    path.symlink_to(elsewhere / "still.png")
    refused = shows.get(output, "file")
    assert refused.status_code == 404
    assert "link" in refused.json()["detail"]
    path.unlink()
    os.mkfifo(path)
    assert shows.get(output, "file").status_code == 404
    path.unlink()
    os.link(elsewhere / "still.png", path)
    assert shows.get(output, "file").status_code == 200, "that is the file that was inspected"


def test_the_output_directory_itself_may_be_a_link(
    alone: Gallery, gallery: Path, tmp_path: Path
) -> None:
    output = alone.put(gallery / "still.png")
    alone.output_dir.rename(tmp_path / "real")
    alone.output_dir.symlink_to(tmp_path / "real")
    assert alone.get(output, "file").status_code == 200


def test_an_output_directory_may_be_a_link_within_another(
    shows: Gallery, gallery: Path, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    inner = shows.folder / "inner"
    inner.symlink_to(tmp_path / "real")
    shutil.copy(gallery / "still.png", inner / "still.png")
    output = OutputFinder(shows.store.connection).one(shows.know(inner / "still.png"))
    assert output is not None
    KnownFiles([shows.output_dir, inner]).open(output).close()
    with pytest.raises(OutputError, match="not there"):
        KnownFiles([shows.output_dir]).open(output)


def test_a_row_outside_of_the_output_directories_is_not_read(shows: Gallery, gallery: Path) -> None:
    """Also where somebody wrote it into the table."""
    secret = shows.output_dir.parent / "secret.png"
    shutil.copy(gallery / "still.png", secret)
    for path in (secret, shows.output_dir / ".." / "secret.png"):
        refused = shows.get(shows.know(path), "file")
        assert refused.status_code == 404


def test_at_most_so_many_files_are_sent_at_once(film: Film) -> None:
    shows, output, _ = film
    room = shows.context.file_room.files
    for _ in range(64):
        assert room.acquire(blocking=False)
    refused = shows.get(output, "file")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    room.release(64)
    for _ in range(70):
        assert shows.get(output, "file").status_code == 200, "each gives its place back"
