"""Large files to many who read slowly: they cost neither memory nor anybody else's time."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import psutil
import pytest

from reconciler.core.evidence import FileState
from reconciler.settings import Settings
from reconciler.settings.server import ServerSettings
from reconciler.settings.web import WebSettings
from reconciler.store import open_store
from reconciler.store.output_ids import output_id
from reconciler.store.outputs import OutputRecord
from reconciler.web.file_answer import MOST_FILES
from reconciler.web.server import WebServer
from tests.waiting import wait_for

GIB = 1024**3
SIZE = 3 * GIB


@pytest.fixture
def large(tmp_path: Path, database: str) -> Iterator[tuple[str, str]]:
    """The page's address, and the id of a file of 3 GiB, which is a hole but for its ends."""
    output_dir = tmp_path / "output"
    output_dir.mkdir()
    path = output_dir / "film.mp4"
    with path.open("wb") as file:
        file.write(b"first")
        file.truncate(SIZE - 4)
        file.seek(0, os.SEEK_END)
        file.write(b"last")
    facts = path.stat()
    told = {"media": "video", "container": "mp4", "defects": []}
    with closing(open_store(database)) as store:
        identity = (facts.st_size, facts.st_mtime_ns, facts.st_ino)
        store.outputs.save(OutputRecord(path, "gpu", *identity, told, FileState.SOUND))
    settings = Settings(
        servers=(ServerSettings(url="http://127.0.0.1:1", name="gpu", output_dir=output_dir),),
        database={"url": database},  # type: ignore[arg-type]
        data_dir=tmp_path / "data",
        web=WebSettings(port=0),
    )
    with closing(WebServer(settings)) as server:
        server.start()
        assert server.wait(60), server.failure
        yield str(server.url), output_id(store.outputs.spaces.key(path))


def begin(url: str, path: str) -> socket.socket:
    """A reader that takes the head of the answer, and then nothing more."""
    host, port = url.removeprefix("http://").split(":")
    reader = socket.create_connection((host, int(port)), 10)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    assert reader.recv(12) == b"HTTP/1.1 200"
    return reader


def handles(path: str) -> int:
    """How often this process has the file open."""
    return sum(one.path.endswith(path) for one in psutil.Process().open_files())


def test_many_slow_readers_of_a_file_of_gigabytes(large: tuple[str, str]) -> None:
    url, output = large
    path = f"/api/v1/outputs/{output}/file"
    before = psutil.Process().memory_info().rss
    with ExitStack() as readers, httpx.Client(base_url=url, timeout=10) as web:
        for _ in range(MOST_FILES):
            readers.enter_context(begin(url, path))
        wait_for(lambda: handles("film.mp4") == MOST_FILES, "each has it open")
        assert web.get("/livez").status_code == 200
        assert web.get(f"/api/v1/outputs/{output}/thumbnail").status_code == 404
        refused = web.get(path)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
        grown = psutil.Process().memory_info().rss - before
        assert grown < MOST_FILES * 4 * 1024**2, "a buffer each, and no film"
        names = [thread.name for thread in threading.enumerate()]
        assert sum("AnyIO" in name for name in names) < 50
    wait_for(lambda: handles("film.mp4") == 0, "all are closed once nobody reads")
    with httpx.Client(base_url=url, timeout=10) as web:
        part = web.get(path, headers={"range": "bytes=-4"})
        assert (part.status_code, part.content) == (206, b"last")
        beyond = web.get(path, headers={"range": f"bytes={SIZE}-"})
        assert beyond.status_code == 416


def test_a_reader_who_resets_the_connection_lets_go_of_the_file(large: tuple[str, str]) -> None:
    url, output = large
    reader = begin(url, f"/api/v1/outputs/{output}/file")
    wait_for(lambda: handles("film.mp4") == 1, "it is open")
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reader.close()
    wait_for(lambda: handles("film.mp4") == 0, "it is closed")


def test_a_file_that_is_cut_meanwhile_ends_the_connection(
    large: tuple[str, str], tmp_path: Path
) -> None:
    url, output = large
    with httpx.Client(base_url=url, timeout=10) as web:
        with web.stream("GET", f"/api/v1/outputs/{output}/file") as answer:
            chunks = answer.iter_raw()
            next(chunks)
            os.truncate(tmp_path / "output" / "film.mp4", 1000)
            with pytest.raises(httpx.RemoteProtocolError):
                for _ in chunks:
                    pass
        assert web.get("/livez").status_code == 200
