"""The pool: the same verdicts from other processes, which end when and as they should."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from PIL import Image

from reconciler.errors import InspectionError, OutputError
from reconciler.outputs import pool as module
from reconciler.outputs import worker_process
from reconciler.outputs.inspect import inspect
from reconciler.outputs.inspection import Verdict
from reconciler.outputs.limits import Limits
from reconciler.outputs.pool import Inspectors
from reconciler.outputs.progress import Progress
from reconciler.outputs.wanted import Wanted
from tests.waiting import wait_for

from .conftest import FRAMES

Studio = Callable[[str], Path]
MIB = 1024**2
#: By what a worker is known among processes.
WORKER = "from reconciler.outputs import worker"


def workers() -> list[psutil.Process]:
    """The workers of this process that live; other tests may have left other children."""
    children = psutil.Process().children()
    return [child for child in children if any(WORKER in word for word in child.cmdline())]


def gone(pid: int) -> bool:
    """Whoever adopts an orphan may leave it as a zombie."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test of this module may leave a child, alive or as a zombie, or a descriptor."""
    children = set(psutil.Process().children(recursive=True))
    descriptors = len(os.listdir("/proc/self/fd"))
    yield
    assert set(psutil.Process().children(recursive=True)) <= children
    assert len(os.listdir("/proc/self/fd")) <= descriptors


@pytest.fixture
def pool() -> Iterator[Inspectors]:
    with closing(Inspectors(1, Limits())) as inspectors:
        yield inspectors


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hours of silence, as a hole in a file: it takes seconds to decode, and none to make."""
    path, size = tmp_path_factory.mktemp("endless") / "endless.wav", 3 * 1024**3
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    head = b"RIFF" + struct.pack("<I", size + 36) + b"WAVE" + form
    with path.open("wb") as file:
        file.write(head + b"data" + struct.pack("<I", size))
        file.truncate(44 + size)
    return path


class Meanwhile:
    """Does something once while a file is decoded, and keeps what it heard."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.heard: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        self.heard.append(progress)
        if len(self.heard) == 1:
            self._act()


def test_verdicts_are_those_of_this_process(
    pool: Inspectors, studio: Studio, gallery: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(studio("h264.mp4").read_bytes()[:-900])
    (tmp_path / "text.mp4").write_text("hello")
    moving = (studio("h264.mp4"), gallery / "moving.webp", cut, tmp_path / "text.mp4")
    for path in (*moving, gallery / "still.png", studio("sound.wav")):
        assert pool.inspect(path) == inspect(path)


def test_the_thumbnail_comes_only_where_it_is_wanted(pool: Inspectors, gallery: Path) -> None:
    assert pool.inspect(gallery / "still.png").thumbnail
    assert pool.inspect(gallery / "still.png", Wanted(thumbnail=False)).thumbnail is None


def test_an_odd_name_is_only_a_name(pool: Inspectors, studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"-\xff\n'.mp4")
    shutil.copy(studio("h264.mp4"), path)
    assert (pool.inspect(path).path, pool.inspect(path).frames) == (path, FRAMES)


def test_files_share_a_worker_until_it_has_seen_enough(
    pool: Inspectors, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FILES_PER_WORKER", 3)
    (tmp_path / "cut.png").write_bytes((gallery / "still.png").read_bytes()[:500])
    pids = []
    for path in (gallery / "still.png", tmp_path / "cut.png", gallery / "still.png"):
        pids.append([worker.pid for worker in workers()])
        assert pool.inspect(path).sound is (path.name == "still.png")
    assert pids[0] == []
    assert pids[1] == pids[2] != []
    assert workers() == []


#: A worker whose inspections do as they are told.
OTHERWISE = (
    "import os, sys, time; sys.path[:] = sys.argv[3:]\n"
    "from reconciler.outputs import worker\n"
    "from reconciler.outputs.inspection import Inspection\n"
    "def inspect_open(file, name, *_):\n"
    "    {}\n"
    "worker.inspect_open = inspect_open\n"
    "worker.main()\n"
)


def test_each_file_is_seen_by_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, gallery: Path
) -> None:
    tell = "return Inspection(name, 'unknown', 0, 0, 0, unjudged=f'{os.getppid()} {os.getpid()}')"
    monkeypatch.setattr(worker_process, "_START", OTHERWISE.format(tell))
    with closing(Inspectors(1, Limits())) as pool:
        first, second = ((pool.inspect(gallery / "still.png").unjudged or "").split() for _ in "12")
    assert first[0] == second[0]
    assert first[1] != second[1]


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("while True: pass", "by its limit of 1 s of processor time"),
        ("sys.exit(3)", "gave no usable answer|ended"),
        ("os.fork() or time.sleep(60); sys.exit()", "longer than 3 s"),
    ],
)
def test_a_fork_that_goes_astray_gives_no_verdict_and_is_ended(
    monkeypatch: pytest.MonkeyPatch, gallery: Path, does: str, words: str
) -> None:
    monkeypatch.setattr(worker_process, "_START", OTHERWISE.format(does))
    with (
        closing(Inspectors(1, Limits(cpu_s=1, wall_s=3))) as pool,
        pytest.raises(InspectionError, match=words),
    ):
        pool.inspect(gallery / "still.png")


def test_a_fork_that_crashes_is_a_defect_of_its_file(
    monkeypatch: pytest.MonkeyPatch, gallery: Path
) -> None:
    monkeypatch.setattr(worker_process, "_START", OTHERWISE.format("os.kill(os.getpid(), 11)"))
    with closing(Inspectors(1, Limits())) as pool:
        for _ in range(2):
            (defect,) = pool.inspect(gallery / "still.png").defects
            assert defect.detail == "the decoder crashed on it (signal 11)"


def test_many_threads_share_few_workers(studio: Studio) -> None:
    most = 0
    with closing(Inspectors(2, Limits())) as pool, ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(pool.inspect, studio("h264.mp4")) for _ in range(12)]
        for each in asked:
            assert each.result().frames == FRAMES
            most = max(most, len(workers()))
    assert 1 <= most <= 2


def test_what_is_no_file_costs_no_worker(pool: Inspectors, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be opened"):
        pool.inspect(tmp_path / "absent.mp4")
    assert workers() == []


def test_a_file_that_grows_meanwhile_gets_no_verdict(pool: Inspectors, endless: Path) -> None:
    changed = Meanwhile(lambda: (os.utime(endless), workers()[0].send_signal(signal.SIGSEGV)))
    with pytest.raises(OutputError, match="changed"):
        pool.inspect(endless, on_progress=changed)


def test_a_crash_is_a_defect_of_the_file_and_ends_ffmpeg_too(
    pool: Inspectors, endless: Path, gallery: Path
) -> None:
    ffmpeg: list[psutil.Process] = []

    def crash() -> None:
        (worker,) = workers()
        ffmpeg.extend(worker.children(recursive=True))
        worker.send_signal(signal.SIGSEGV)

    seen = pool.inspect(endless, on_progress=Meanwhile(crash))
    assert seen.verdict is Verdict.UNSOUND
    assert [defect.detail for defect in seen.defects] == ["the decoder crashed on it (signal 11)"]
    assert len(ffmpeg) == 2  # and the fork that started it
    wait_for(lambda: all(gone(each.pid) for each in ffmpeg), "ffmpeg is gone")
    assert pool.inspect(gallery / "still.png").sound


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "for want of memory"), (signal.SIGTERM, r"ended \(signal 15\)")],
)
def test_who_is_killed_from_outside_says_nothing_of_the_file(
    pool: Inspectors, endless: Path, number: int, words: str
) -> None:
    with pytest.raises(InspectionError, match=words):
        pool.inspect(endless, on_progress=Meanwhile(lambda: workers()[0].send_signal(number)))


def test_a_stop_is_told_as_one(pool: Inspectors, endless: Path) -> None:
    with pytest.raises(InspectionError, match="was stopped"):
        pool.inspect(endless, on_progress=Meanwhile(pool.close))
    with pytest.raises(InspectionError, match="was stopped"):
        pool.inspect(endless)


def test_who_waits_for_a_worker_is_stopped_too(pool: Inspectors, endless: Path) -> None:
    begun = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(pool.inspect, endless, Wanted(), lambda _: begun.set())
        assert begun.wait(60)
        waiting = threads.submit(pool.inspect, endless)
        pool.close()
        for each in (running, waiting):
            with pytest.raises(InspectionError, match="was stopped"):
                each.result()


def test_progress_of_a_long_decode_is_heard(pool: Inspectors, endless: Path) -> None:
    heard = Meanwhile(lambda: None)

    def until_three(progress: Progress) -> None:
        heard(progress)
        if len(heard.heard) == 3:
            pool.close()

    with pytest.raises(InspectionError):
        pool.inspect(endless, on_progress=until_three)
    seconds = [progress.time_s or 0 for progress in heard.heard]
    assert seconds == sorted(set(seconds))
    assert seconds[-1] > 1


def test_the_wall_limit_ends_worker_and_ffmpeg(endless: Path) -> None:
    with (
        closing(Inspectors(1, Limits(wall_s=0.7))) as pool,
        pytest.raises(InspectionError, match=r"longer than 0\.7 s"),
    ):
        pool.inspect(endless)


def test_the_limit_on_processor_time_holds_for_ffmpeg(endless: Path) -> None:
    with (
        closing(Inspectors(1, Limits(cpu_s=1))) as pool,
        pytest.raises(InspectionError, match="limit of 1 s of processor time"),
    ):
        pool.inspect(endless)


def test_a_picture_that_needs_more_memory_is_no_verdict(tmp_path: Path, gallery: Path) -> None:
    Image.new("RGB", (4000, 4000)).save(tmp_path / "large.png")
    with closing(Inspectors(1, Limits(memory_bytes=130 * MIB))) as pool:
        with pytest.raises(InspectionError, match="more than the 130 MiB"):
            pool.inspect(tmp_path / "large.png")
        assert pool.inspect(gallery / "still.png").sound


def test_nothing_outlives_a_killed_parent(endless: Path) -> None:
    script = (
        "import sys, psutil; from pathlib import Path\n"
        "from reconciler.outputs.limits import Limits\n"
        "from reconciler.outputs.pool import Inspectors\n"
        "def tell(_):\n"
        "    print(*(p.pid for p in psutil.Process().children(recursive=True)), flush=True)\n"
        "Inspectors(1, Limits()).inspect(Path(sys.argv[1]), on_progress=tell)\n"
    )
    command = [sys.executable, "-c", script, str(endless)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=_importable()) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 3
    wait_for(lambda: all(gone(pid) for pid in pids), "all are gone")


def _importable() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


READY = (
    "import sys, socket, struct, json, time\n"
    "line, big = socket.socket(fileno=int(sys.argv[1])), b' ' * 200\n"
    "def say(data): line.sendall(struct.pack('!I', len(data)) + data)\n"
    "line.recv(4096); say(b'{\"ready\": {}}'); line.recv(4096)\n"
)


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("line.sendall(b'\\xff' * 9); time.sleep(60)", "a message of 4294967295 bytes"),
        ("line.sendall(b'\\0\\0\\0\\x09half'); time.sleep(60)", "longer than 1 s"),
        ("say(b'[' * 100000); time.sleep(60)", "no JSON"),
        ("say(b'[1]'); time.sleep(60)", "no JSON object"),
        ("say(b'{\"a\": NaN}'); time.sleep(60)", "NaN is no number"),
        ("say(b'{}'); time.sleep(60)", "no usable answer"),
        ('say(b\'{"failed": "a\\\\nb"}\'); time.sleep(60)', r"^a\\nb$"),
        ("sys.exit('these are my words')", r"exit status 1\): these are my words"),
        ("while True: say(b'{\"progress\": 7}')", "longer than 1 s"),
        ("import os; os.kill(os.getpid(), 24)", "by its limit of 900 s of processor time"),
    ],
)
def test_a_worker_that_was_taken_over_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, gallery: Path, then: str, words: str
) -> None:
    monkeypatch.setattr(worker_process, "_START", READY + then)
    with (
        closing(Inspectors(1, Limits(wall_s=1))) as pool,
        pytest.raises(InspectionError, match=words),
    ):
        pool.inspect(gallery / "still.png")


def test_a_worker_that_cannot_start_says_why(
    monkeypatch: pytest.MonkeyPatch, gallery: Path
) -> None:
    monkeypatch.setattr(worker_process, "_START", "import no_such_module")
    with (
        closing(Inspectors(1, Limits())) as pool,
        pytest.raises(InspectionError, match="No module named 'no_such_module'"),
    ):
        pool.inspect(gallery / "still.png")


def test_no_python_is_told(monkeypatch: pytest.MonkeyPatch, gallery: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/does/not/exist")
    with (
        closing(Inspectors(1, Limits())) as pool,
        pytest.raises(InspectionError, match="cannot be started"),
    ):
        pool.inspect(gallery / "still.png")


def test_elsewhere_than_on_linux_it_is_said(monkeypatch: pytest.MonkeyPatch, gallery: Path) -> None:
    with closing(Inspectors(1, Limits())) as pool:
        monkeypatch.setattr(sys, "platform", "darwin")
        with pytest.raises(InspectionError, match="on Linux alone"):
            pool.inspect(gallery / "still.png")
        monkeypatch.undo()
