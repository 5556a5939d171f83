"""The output directory is taken away, replaced, locked, renamed, filled and rewritten. One service
watches them all; each test maltreats the directory of one server."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from reconciler.simulator.outcomes import Outcome, Saver
from tests.faults.conftest import Figure
from tests.faults.storage_stage import Gpu, Stage, hanging, may_mount, mount, staged, unmount
from tests.integration.conftest import fresh_database
from tests.waiting import wait_for

#: Those that are seen through a mount, where this machine lets us mount.
MOUNTED = ("unmounted", "covered", "frozen", "full")
PLAIN = (
    "replaced",
    "deleted",
    "linked",
    "renamed",
    "rewritten",
    "short",
    "locked",
    "behind",
    "ahead",
)


@pytest.fixture(scope="module")
def stage(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("storage")
    places = {name: folder / name for name in PLAIN}
    (folder / "disk1").mkdir()
    places["linked"].symlink_to("disk1")
    places["locked"].mkdir()
    with (
        _mounts(folder) as mounted,
        fresh_database(postgres_url) as url,
        staged(url, folder, places | mounted, untagged=["short"], prefix=_like_anybody()) as stage,
    ):
        yield stage


def _like_anybody() -> list[str]:
    """A command that runs another without root's right to read what is locked."""
    locks = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    return list(locks) if os.geteuid() == 0 and shutil.which(locks[0]) else []


@contextmanager
def _mounts(folder: Path) -> Iterator[dict[str, Path]]:
    """ComfyUI's own folders, as the service sees them: mounted at another place."""
    seen = {name: folder / name for name in MOUNTED}
    for place in seen.values():
        place.mkdir()
    if not may_mount(folder / MOUNTED[0]):
        yield {}
        return
    for name, place in seen.items():
        real = folder / f"{name}-real"
        real.mkdir()
        mount("--bind", real, place)
    unmount(seen["full"])
    (folder / "full-real").rmdir()
    mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", seen["full"])
    try:
        yield seen
    finally:
        for place in seen.values():
            unmount(place)


def _only(long: bool) -> None:
    if not long:
        pytest.skip("it takes seconds and another test plays nearly the same: make faults")


@pytest.fixture
def gpu(stage: Stage, request: pytest.FixtureRequest) -> Gpu:
    """The server whose name the test's name begins with."""
    names = [name for name in (*PLAIN, *MOUNTED) if f"_{name}_" in request.node.name]
    (name,) = names
    if name not in stage.gpus:
        pytest.skip("this machine does not let us mount (it takes root)")
    return stage.gpus[name]


def test_an_unmounted_directory_is_waited_for(gpu: Gpu, figure: Figure) -> None:
    """ComfyUI goes on writing to its disk, while we see an empty mount point."""
    gpu.complete()
    job = gpu.started()
    unmount(gpu.seen)
    said = gpu.lasts(job)
    extra = _copy(gpu.simulator.output_dir, "extra.png")
    mount("--bind", gpu.simulator.output_dir, gpu.seen)
    gpu.over()
    right = gpu.right(job)
    wait_for(lambda: gpu.knows(gpu.seen / extra), "what was written meanwhile is found")
    assert gpu.story(job) == ["completed"]
    figure(f"the row said {said}; {right}")


def test_a_directory_that_is_covered_by_another_mount(gpu: Gpu, long: bool, figure: Figure) -> None:
    """An empty disk is mounted over it."""
    _only(long)
    gpu.complete()
    job = gpu.started()
    mount("-t", "tmpfs", "tmpfs", gpu.seen)
    said = gpu.lasts(job)
    unmount(gpu.seen)
    gpu.over()
    right = gpu.right(job)
    assert gpu.story(job) == ["completed"]
    figure(f"the row said {said}; {right}")


def test_a_directory_that_is_replaced_by_an_empty_one(
    gpu: Gpu, stage: Stage, long: bool, figure: Figure
) -> None:
    """As an unmounted one looks where nobody may mount: renamed, and an empty one in its place."""
    _only(long or "unmounted" not in stage.gpus)
    gpu.complete()
    job = gpu.started(linger_seconds=1.0)
    file, away = _saved(gpu, job), gpu.seen.with_name("replaced-away")
    gpu.seen.rename(away)
    gpu.seen.mkdir()
    said = gpu.lasts(job)
    shutil.rmtree(gpu.seen)  # the node pack has left its manifest in it
    away.rename(gpu.seen)
    gpu.over()
    right = gpu.right(job)
    assert Path(str(gpu.rows.row(job)["output_path"])) == file
    figure(f"the row said {said}; {right}")


def test_a_directory_that_is_deleted_and_made_again(gpu: Gpu, figure: Figure) -> None:
    """ComfyUI makes it again for its next file: nothing that we knew is in it."""
    gpu.complete()
    job = gpu.started()
    shutil.rmtree(gpu.seen)
    gpu.over()
    gpu.ended(job)
    right = gpu.right(job)
    assert gpu.story(job) == ["completed"]
    watched = _copy(gpu.seen, "seen.png")
    wait_for(lambda: gpu.knows(gpu.seen / watched), "it is watched again")
    figure(f"the directory was made again by ComfyUI; {right}")


def test_a_frozen_directory_holds_up_no_other(gpu: Gpu, stage: Stage, figure: Figure) -> None:
    """A network share whose server is gone: whoever asks it hangs, for minutes."""
    gpu.complete()
    job = gpu.started()
    well = stage.gpus["renamed"]
    with _hanging(gpu.seen):
        gpu.ended(job)
        well.over()
        others = [well.right(well.submit()) for _ in range(5)]
        said = gpu.says(job)
        gpu.over()
    right = gpu.right(job)
    assert gpu.story(job) == ["completed"]
    figure(f"the row said {said}; jobs of another server were {others[0]}, {others[-1]}; {right}")


@contextmanager
def _hanging(place: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(hanging(place))
        except OSError as error:
            pytest.skip(f"this machine lets us mount no file system of our own: {error}")
        yield


def test_a_locked_directory_is_waited_for(gpu: Gpu, stage: Stage, figure: Figure) -> None:
    """Somebody takes the permission away, and gives it back."""
    if os.geteuid() == 0 and not stage.service.prefix:
        pytest.skip("root reads what is locked, and there is no setpriv(1) to forbid it")
    gpu.complete()
    job = gpu.started()
    mode = gpu.seen.stat().st_mode
    gpu.seen.chmod(0o300)
    said = gpu.lasts(job)
    gpu.seen.chmod(mode)
    gpu.over()
    right = gpu.right(job)
    assert gpu.story(job) == ["completed"]
    figure(f"the row said {said}; {right}")


def test_a_full_disk_ends_one_job_and_no_other(gpu: Gpu, figure: Figure) -> None:
    """ComfyUI's encoder gives up and leaves what it has written."""
    gpu.complete()
    ballast = gpu.seen / "ballast"
    _fill(ballast, but_bytes=4096)
    job = gpu.submit(saver=Saver.SAVE_VIDEO, frames=48, width=256, height=256)
    row = gpu.rows.wait(job, "failed")
    said = gpu.says(job)
    ballast.unlink()
    gpu.over()
    after = gpu.submit(saver=Saver.SAVE_VIDEO, frames=12)
    right = gpu.right(after)
    assert gpu.story(job) == ["failed"]
    assert gpu.story(after) == ["completed"]
    figure(f"the row said {said} ({row['error'][:80]}); with room again the next job was {right}")


def _fill(ballast: Path, but_bytes: int) -> None:
    """Leave no more room than this."""
    with ballast.open("wb") as file:
        free = os.statvfs(ballast.parent)
        file.write(b"\0" * max(free.f_bavail * free.f_bsize - but_bytes, 0))


def test_a_link_to_a_directory_that_is_linked_elsewhere(gpu: Gpu, figure: Figure) -> None:
    """The disk is full, and `output` is pointed to the next one."""
    gpu.complete()
    (gpu.seen.parent / "disk2").mkdir()
    gpu.seen.unlink()
    gpu.seen.symlink_to("disk2")
    gpu.over()
    job = gpu.started()
    gpu.ended(job)
    right = gpu.right(job)
    watched = _copy(gpu.seen, "seen.png")
    wait_for(lambda: gpu.knows(gpu.seen / watched), "the new one is watched")
    assert gpu.story(job) == ["completed"]
    figure(f"a job after it was {right}")


def test_a_subfolder_that_is_renamed_and_back(gpu: Gpu, figure: Figure) -> None:
    gpu.complete()
    job = gpu.started(filename_prefix="today/a", linger_seconds=1.0)
    _saved(gpu, job)
    (gpu.seen / "today").rename(gpu.seen / "yesterday")
    said = gpu.lasts(job)
    (gpu.seen / "yesterday").rename(gpu.seen / "today")
    gpu.over()
    figure(f"the row said {said}; {gpu.right(job)}")


def test_a_file_that_is_rewritten_while_it_is_inspected(gpu: Gpu, figure: Figure) -> None:
    """Again and again, by the same film: the answer is about the file that is there in the end."""
    job = gpu.submit(saver=Saver.SAVE_VIDEO, frames=48, width=512, height=512, linger_seconds=0.5)
    file = _saved(gpu, job, "*_.mp4")
    wait_for(lambda: gpu.knows(file), "it is whole")
    whole = file.read_bytes()
    for number in range(40):
        beside = file.with_name(f".{number}")
        beside.write_bytes(whole)
        beside.replace(file)
        threading.Event().wait(0.025)
    gpu.over()
    right = gpu.right(job)
    known = gpu.rows.sql("select inode from reconciler.outputs where path = %s", os.fsencode(file))
    assert int(known[0]["inode"]) == file.stat().st_ino
    assert gpu.story(job) == ["completed"]
    figure(f"replaced 40 times in a second, its prompt ended meanwhile: {right}")


def test_a_short_file_that_is_written_again(gpu: Gpu, figure: Figure) -> None:
    """The disk was full while ComfyUI wrote, which said success; there is room again later."""
    gpu.complete()
    sound = gpu.submit(saver=Saver.SAVE_VIDEO, frames=12)
    gpu.rows.wait(sound, "completed")
    whole = Path(str(gpu.rows.row(sound)["output_path"])).read_bytes()
    job = gpu.submit(Outcome.TRUNCATED, saver=Saver.SAVE_VIDEO, frames=12)
    row = gpu.rows.wait(job, "failed", "invalid_output")
    said = gpu.says(job)
    listed = gpu.simulator.truth()[-1].main_file
    assert listed is not None
    Path(listed).write_bytes(whole)
    gpu.over()
    right = gpu.right(job)
    assert gpu.story(job) == ["failed", "completed"]
    figure(f"the row said {said} ({row['error'].split(';')[0]}); {right}")


@pytest.mark.parametrize(("name", "shift_s"), [("behind", -3600.0), ("ahead", 3600.0)])
def test_a_file_servers_clock_is_off_by_an_hour(
    stage: Stage, long: bool, figure: Figure, name: str, shift_s: float
) -> None:
    """Its times and ours are not compared."""
    _only(long or name == "behind")
    gpu = stage.gpus[name]
    with _shifted(gpu, shift_s):
        job = gpu.started(linger_seconds=0.5)
        gpu.over()
        gpu.ended(job)
        right = gpu.right(job)
        untold = _copy(gpu.seen, "untold.png")
        os.utime(gpu.seen / untold, times=(1e9, 1e9))
        wait_for(lambda: gpu.knows(gpu.seen / untold), "one that nobody listed is inspected")
        crashed = gpu.started(outcome=Outcome.CRASH_SAVED, restart_after_s=0.3)
        gpu.over()
        alone = gpu.right(crashed)
    assert gpu.story(job) == ["completed"]
    assert gpu.story(crashed)[-1] == "completed"
    figure(f"listed by its prompt: {right}, of 1.5 s that this took; known by its tag: {alone}")


@contextmanager
def _shifted(gpu: Gpu, seconds: float) -> Iterator[None]:
    """The times of its files are off, a moment after they are written."""
    over = threading.Event()
    done: set[tuple[Path, float]] = set()

    def shift() -> None:
        while not over.wait(0.001):
            for path in gpu.seen.rglob("*.png"):
                at = path.stat().st_mtime
                if (path, at) not in done:
                    done.add((path, at + seconds))
                    os.utime(path, (at + seconds, at + seconds))

    thread = threading.Thread(target=shift)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _copy(folder: Path, name: str) -> Path:
    """Another file, which no prompt lists; returns its name."""
    picture = next(folder.rglob("*_.png"))
    shutil.copyfile(picture, folder / name)
    return Path(name)


def _saved(gpu: Gpu, job: str, pattern: str = "*_.png") -> Path:
    """Waits for the job's file, which is there before its prompt has ended."""
    before = {str(gpu.rows.row(each)["output_path"]) for each in gpu.jobs if each != job}

    def found() -> Path | None:
        return next((path for path in gpu.seen.rglob(pattern) if str(path) not in before), None)

    file = wait_for(found, "its file is written")
    assert file is not None
    return file
