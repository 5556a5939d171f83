"""The child process: limited, drained, always ended, and blind to all files but one."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from watchdog.events import FileOpenedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from reconciler.errors import InspectionError
from reconciler.outputs.child import STDERR, Child, run
from reconciler.outputs.complaints import Complaints
from reconciler.outputs.decode import decode
from reconciler.outputs.inspect import inspect
from reconciler.outputs.limits import Limits
from reconciler.outputs.sinks import Head, Lines
from reconciler.outputs.wanted import Wanted

from .conftest import FRAMES, make

Studio = Callable[[str], Path]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(b"content")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    """No test of this module may leave a child, alive or as a zombie."""
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) - before == set()


def shell(script: str, file: int, limits: Limits | None = None) -> tuple[int, bytes, bytes]:
    """Run a script whose `$OUT` is a pipe; give its status, and what came out of both pipes."""
    errors, out = Head(10**7), Head(10**7)

    def command(fds: Mapping[str, int]) -> list[str]:
        return ["bash", "-c", f"OUT={fds['out']}; {script}"]

    status = run(Child(command, {STDERR: errors, "out": out}, file), limits or Limits())
    return status, errors.data, out.data


def test_status_and_output_come_back(file: int) -> None:
    assert shell("echo a >&2; echo b >&$OUT; exit 3", file) == (3, b"a\n", b"b\n")


def test_the_file_is_handed_over_and_standard_input_is_empty(file: int) -> None:
    status, _, out = shell(f"cat >&$OUT; cat <&{file} >&$OUT", file)
    assert (status, out) == (0, b"content")


def test_pipes_fuller_than_their_buffers_do_not_deadlock(file: int) -> None:
    script = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero >&$OUT"
    status, errors, out = shell(script, file)
    assert (status, len(errors), len(out)) == (0, 3_000_000, 3_000_000)


def test_a_pipe_closed_early_ends_nothing(file: int) -> None:
    assert shell("exec {OUT}>&-; echo a >&2", file)[:2] == (0, b"a\n")


def test_the_wall_limit_ends_a_child_that_ignores_signals(file: int) -> None:
    out = Head(100)

    def command(fds: Mapping[str, int]) -> list[str]:
        return ["bash", "-c", f"trap '' TERM INT; echo $$ >&{fds['out']}; while :; do :; done"]

    with pytest.raises(InspectionError, match=r"longer than 0\.5 s"):
        run(Child(command, {STDERR: Head(100), "out": out}, file), Limits(wall_s=0.5))
    assert not psutil.pid_exists(int(out.data))


def test_who_inherits_a_pipe_is_not_waited_for(file: int) -> None:
    status, _, out = shell("sleep 300 & echo $! >&$OUT", file, Limits(wall_s=60))
    assert status == 0
    psutil.Process(int(out)).kill()


def test_the_limit_on_processor_time_ends_a_busy_child(file: int) -> None:
    with pytest.raises(InspectionError, match="processor time"):
        shell("while :; do :; done", file, Limits(cpu_s=1, wall_s=60))


def test_a_child_cannot_write_files_nor_take_memory(file: int, tmp_path: Path) -> None:
    # prlimit may come a moment after the child has begun: it waits until it sees the limit
    wait = "until [ $(ulimit -f) = 0 ]; do :; done; "
    status, _, _ = shell(f"{wait} echo x > {tmp_path / 'written'}", file)
    assert status != 0
    assert not (tmp_path / "written").exists() or (tmp_path / "written").stat().st_size == 0
    _, _, out = shell(f"{wait} ulimit -v >&$OUT; ulimit -c >&$OUT", file)
    assert out == b"4194304\n0\n"


def test_a_child_gets_no_secrets(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_DATABASE__URL", "postgresql://u:secret@h/d")
    monkeypatch.setenv("FFREPORT", "file=/tmp/report.log")
    _, _, out = shell("env >&$OUT", file)
    assert b"PATH=" in out
    assert b"secret" not in out
    assert b"FFREPORT" not in out


def test_a_command_that_does_not_exist_is_an_inspection_error(file: int) -> None:
    child = Child(lambda _: ["/does/not/exist"], {STDERR: Head(10)}, file)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(InspectionError, match="cannot be started"):
        run(child, Limits())
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_descriptor_is_leaked(studio: Studio) -> None:
    inspect(studio("h264.mp4"))
    before = len(os.listdir("/proc/self/fd"))
    inspect(studio("h264.mp4"))
    with pytest.raises(InspectionError):
        inspect(studio("h264.mp4"), limits=Limits(wall_s=0))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_video_that_needs_more_memory_is_no_verdict(tmp_path: Path) -> None:
    """ffmpeg says so; ffmpeg 7.0 waits for ever for the thread that it could not start."""
    large = make(tmp_path / "a.mov", "-f lavfi -i color=size=6000x6000 -frames:v 8 -c:v mjpeg")
    with pytest.raises(InspectionError, match=r"needs more than the 250 MiB|longer than 15 s"):
        inspect(large, limits=Limits(memory_bytes=250 * 1024**2, wall_s=15))


def test_a_decoder_that_takes_too_long_is_ended(studio: Studio) -> None:
    with pytest.raises(InspectionError, match=r"longer than 0\.001 s"):
        inspect(studio("prores.mov"), limits=Limits(wall_s=0.001))


def test_many_threads_may_inspect_at_once(studio: Studio) -> None:
    path = studio("h264.mp4")
    with ThreadPoolExecutor(6) as pool:
        assert [seen.frames for seen in pool.map(inspect, [path] * 6)] == [FRAMES] * 6


class Openings(FileSystemEventHandler):
    """Notes which files of a folder are opened, by whomever."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.seen_end = threading.Event()

    def on_opened(self, event: FileSystemEvent) -> None:
        name = Path(os.fsdecode(event.src_path)).name
        self.names.add(name)
        if name == "end":
            self.seen_end.set()


@pytest.fixture
def secret(studio: Studio, tmp_path: Path) -> Path:
    """A video beside the others, which only its name could lead to. Made before the watch."""
    return Path(shutil.copy(studio("h264.mp4"), tmp_path / "secret.mp4"))


@pytest.fixture
def openings(secret: Path, tmp_path: Path) -> Iterator[Callable[[], set[str]]]:
    """Gives the names of the files opened so far, once all events before now have arrived."""
    handler, observer = Openings(), Observer()
    observer.schedule(handler, str(tmp_path), event_filter=[FileOpenedEvent])
    observer.start()

    def so_far() -> set[str]:
        (tmp_path / "end").touch()
        assert handler.seen_end.wait(10)
        return handler.names

    yield so_far
    observer.stop()
    observer.join()


@pytest.mark.parametrize("demuxer", ["hls", "concat", "mov"])
def test_nothing_that_a_file_names_is_opened(
    secret: Path, tmp_path: Path, openings: Callable[[], set[str]], demuxer: str
) -> None:
    """Even with the demuxer forced to one that would: the only protocol is the open descriptor."""
    script = tmp_path / "video.mp4"
    script.write_text(
        {
            "hls": f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
            "concat": f"ffconcat version 1.0\nfile '{secret}'\n",
            "mov": f"#EXTM3U\n{secret}\n",
        }[demuxer]
    )
    assert not inspect(script).sound
    descriptor = os.open(script, os.O_RDONLY)
    assert decode(descriptor, demuxer, Limits(), Wanted(thumbnail=False)).defects
    os.close(descriptor)
    names = openings()
    assert "video.mp4" in names
    assert "secret.mp4" not in names


def test_the_watch_of_this_module_does_see_openings(
    secret: Path, openings: Callable[[], set[str]]
) -> None:
    assert secret.read_bytes()
    assert "secret.mp4" in openings()


def test_a_sink_keeps_what_it_may_and_knows_that_there_was_more() -> None:
    head = Head(4)
    head.feed(b"abc")
    assert not head.overflowed
    head.feed(b"def")
    assert (head.data, head.overflowed) == (b"abcd", True)


def test_lines_are_put_together_and_bounded() -> None:
    taken: list[bytes] = []
    lines = Lines(taken.append, longest=5, limit=30)
    for part in (b"a", b"b\ncd\n", b"x" * 12, b"\nend"):
        lines.feed(part)
    lines.finish()
    assert taken == [b"ab", b"cd", b"xxxxx", b"end"]
    assert not lines.overflowed
    lines.feed(b"y" * 20)
    assert lines.overflowed


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        ([], 0, None),
        ([b"", b"[aist#0:0/pcm_s16le @ 0x5a] [warning] Guessed Channel Layout: mono"], 0, None),
        ([b"[h264 @ 0x5a] [warning] Guessed Channel Layout: mono"], 0, "h264: Guessed"),
        ([b"[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [error] bad"], 0, "h264: bad"),
        ([b"[error] bad"], 0, "bad"),
        ([b"a line of no known form"], 0, "a line of no known form"),
        ([b"[a @ 0x1] [error] one"] * 9, 0, "a: one; and 8 more"),
        ([b"\x1b[2J\xff"], 0, "\\x1b[2J\\xff"),
        ([b"[a @ 0x1] [error] Error submitting packet to decoder: x"], 0, "a: Error submitting"),
        ([b"[error] bad", b"[error] Error opening input file fd:."], 0, "bad; and 1 more"),
        ([], 69, "the decoder gave up on it (exit status 69)"),
        ([], -11, "the decoder crashed on it (signal 11)"),
    ],
)
def test_a_complaint_is_damage_unless_known_not_to_be(
    lines: list[bytes], status: int, words: str | None
) -> None:
    complaints = Complaints()
    for line in lines:
        complaints.take(line)
    details = [defect.detail for defect in complaints.defects(status)]
    assert details == [] if words is None else details[0].startswith(words)


def test_more_complaints_than_are_read_are_damage(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    data = studio("mpeg4.avi").read_bytes()
    path.write_bytes(data[:3000] + bytes(4000) + data[7000:])
    few = inspect(path, limits=Limits(max_stderr_bytes=10))
    assert any(defect.kind == "decode" for defect in few.defects)


@pytest.mark.parametrize("reason", ["Cannot allocate memory", "Resource temporarily unavailable"])
def test_a_starved_decoder_is_known_by_its_words(reason: str) -> None:
    complaints = Complaints()
    complaints.take(b"[h264 @ 0x1] [error] Invalid data found when processing input")
    assert not complaints.starved
    complaints.take(f"[dec:h264 @ 0x1] [error] Error while opening decoder: {reason}".encode())
    assert complaints.starved
