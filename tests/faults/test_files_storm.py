"""More files than the kernel's queue of events holds, and more folders than may be watched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.outcomes import Saver
from tests.faults.conftest import Figure
from tests.faults.storage_stage import staged
from tests.waiting import wait_for

#: Makes files at a steady rate, half of them in ten folders that are made on the way.
_STORM = """
import os, sys, time
root, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
began = time.monotonic()
for number in range(count):
    if number % (count // 10) == 0:
        new = os.path.join(root, str(number))
        os.mkdir(new)
    folder = new if number % 2 else root
    os.close(os.open(os.path.join(folder, f"{number}.png"), os.O_WRONLY | os.O_CREAT))
    ahead = number * seconds / count - (time.monotonic() - began)
    if ahead > 0.001:
        time.sleep(ahead)
print(time.time())
"""

#: What `reconciler doctor` says of watches.
_DOCTOR = """
import sys
from pathlib import Path
from reconciler.doctor.inotify import check_instances, read_limits
from reconciler.doctor.output import check_output
from reconciler.settings import WatchSettings
limits = read_limits()
print(*check_instances(1, limits))
print(*check_output("gpu", Path(sys.argv[1]), WatchSettings(), limits))
"""


def _room() -> int:
    return int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())


class Watcher:
    """`storm_watcher` as a process."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-m", "tests.faults.storm_watcher", os.fspath(root)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self) -> dict[str, Any]:
        """What it knows now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told


@contextmanager
def watcher(root: Path) -> Iterator[Watcher]:
    root.mkdir()
    watcher = Watcher(root)
    try:
        watcher.ask()
        yield watcher
    finally:
        watcher.process.kill()
        watcher.process.communicate()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """It gets no processor meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def storm(root: Path, count: int, seconds: float) -> float:
    """Returns when it was over, in seconds since the epoch."""
    arguments = [os.fspath(root), str(count), str(seconds)]
    done = subprocess.run(
        [sys.executable, "-c", _STORM, *arguments], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


@pytest.mark.parametrize("is_frozen", [True, False], ids=["without a processor", "with one"])
def test_a_storm_of_files_misses_none(
    tmp_path: Path, long: bool, figure: Figure, is_frozen: bool
) -> None:
    """50,000 in 5 s. Frozen meanwhile, the watch surely has its queue overflow."""
    if not (long or is_frozen):
        pytest.skip("it takes seconds and says the same: make faults")
    count, seconds = (50_000, 5.0) if long else (2 * _room(), 0.1)
    root = tmp_path / "output"
    with watcher(root) as watched:
        if is_frozen:
            with frozen(watched.process.pid):
                over_at = storm(root, count, seconds)
        else:
            over_at = storm(root, count, seconds)
        told = wait_for(
            lambda: told if (told := watched.ask())["known"] >= count else None,
            "every file is known",
        )
        assert told["known"] == count
        if is_frozen:
            assert told["scans"] >= 1
            assert "overflowed" in told["lost"][0]
    late_s = max(told["known_at"] - over_at, 0.0)
    figure(
        f"{count} files in {seconds:g} s: {told['events']} events came, of {told['heard']} files;"
        f" 0 missing {late_s:.2f} s after it, with {told['scans']} listings"
    )


def test_a_storm_holds_up_no_job(database: str, tmp_path: Path, long: bool, figure: Figure) -> None:
    """Files of nobody's are inspected after those that a verdict waits for."""
    with staged(database, tmp_path, {"gpu": tmp_path / "gpu"}) as stage:
        gpu = stage.gpus["gpu"]
        gpu.complete()
        count = 50_000 if long else 5_000
        job = gpu.started()
        storm(gpu.seen, count, 5.0 if long else 0.5)
        gpu.over()
        gpu.ended(job)
        right = gpu.right(job)
        assert gpu.story(job) == ["completed"]
    figure(f"{count} files in a storm; a job that ended during it was {right}")


@pytest.mark.parametrize(
    ("limit", "said"),
    [("max_inotify_watches", "max_user_watches"), ("max_inotify_instances", "max_user_instances")],
)
def test_a_limit_on_watches_leaves_polling(
    database: str, tmp_path: Path, long: bool, figure: Figure, limit: str, said: str
) -> None:
    """Both are per user: a user namespace has limits of its own."""
    if limit == "max_inotify_instances" and not long:
        pytest.skip("it goes the same way as the other limit: make faults")
    few = 3 if limit == "max_inotify_watches" else 0
    script = f'echo {few} > /proc/sys/user/{limit} && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"]
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("this machine lets us make no user namespace")
    for name in "abcde":
        (tmp_path / "gpu" / name).mkdir(parents=True)
    watch = {"rescan_s": 600.0, "poll_interval_s": 0.2}
    with staged(database, tmp_path, {"gpu": tmp_path / "gpu"}, prefix=prefix, watch=watch) as stage:
        gpu = stage.gpus["gpu"]
        assert said in stage.service.log.read_text()
        job = gpu.submit(saver=Saver.VHS_VIDEO_COMBINE, frames=6, filename_prefix="e/film")
        gpu.rows.wait(job, "completed")
        # The picture that VHS writes beside the film is in no history: only a watch finds it.
        picture = next((gpu.seen / "e").glob("*.png"))
        wait_for(lambda: gpu.knows(picture), "what nobody lists is found by polling")
        late = gpu.seen / "e" / "late.png"
        shutil.copyfile(picture, late)
        began_s = time.monotonic()
        wait_for(lambda: gpu.knows(late), "a file in a folder without a watch is found")
        took_s = time.monotonic() - began_s
    doctor = [*prefix, sys.executable, "-c", _DOCTOR, os.fspath(tmp_path / "gpu")]
    says = subprocess.run(doctor, check=True, capture_output=True, text=True).stdout
    assert f"sysctl fs.inotify.{said}=" in says
    figure(f"polled; a file in a folder without a watch was inspected after {took_s:.2f} s")
