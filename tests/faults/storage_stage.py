"""One service and many servers, each with an output directory of its own to be maltreated."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome, Saver
from reconciler.simulator.simulator import Simulator
from tests.integration.running import QUICK, Rows, Running, running, write_config
from tests.waiting import wait_for

#: Graces are much shorter than the faults: whoever took an absent file for a missing one, or a
#: quiet server for a dead one, would be wrong.
HASTY: dict[str, Any] = {
    **QUICK,
    "reconcile": {"interval_s": 0.2},
    "outputs": {"unsound_confirm_s": 0.3, "missing_output_grace_s": 0.5, "settle_s": 0.1},
    "stall": {"no_progress_s": 60.0, "startup_grace_s": 0.5},
    "watch": {"rescan_s": 2.0, "poll_interval_s": 0.2},
}
#: How long a fault lasts at least, in seconds.
FAULT_S = 1.5


def mount(*arguments: str | Path) -> None:
    """mount(8)."""
    subprocess.run(["mount", *map(os.fspath, arguments)], check=True, capture_output=True)


def unmount(path: Path) -> None:
    """umount(8), also of what is in use."""
    subprocess.run(["umount", "--lazy", os.fspath(path)], check=True, capture_output=True)


@contextmanager
def hanging(place: Path) -> Iterator[None]:
    """A file system that never answers lies over the place: whoever touches it hangs, as with a
    share whose server is gone. Raises OSError where we may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    try:
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"hung", os.fsencode(place), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), "mount")
        try:
            yield
        finally:
            unmount(place)
    finally:
        os.close(device)  # whoever hangs gets an error


def may_mount(folder: Path) -> bool:
    """True where this machine lets us mount."""
    try:
        mount("-t", "tmpfs", "tmpfs", folder)
    except (subprocess.CalledProcessError, FileNotFoundError):
        return False
    unmount(folder)
    return True


@dataclass
class Gpu:
    """A server, the place where the service sees its outputs, and its jobs."""

    name: str
    simulator: Simulator
    #: What the settings name.
    seen: Path
    rows: Rows
    jobs: list[str] = field(default_factory=list)
    _over_at: Any = None

    def submit(self, outcome: Outcome = Outcome.SUCCESS, **more: Any) -> str:
        """A job that costs next to nothing; returns its id."""
        size = {"saver": Saver.SAVE_IMAGE, "frames": 1, "width": 64, "height": 64, **more}
        graph = render_graph(outcome, seed=len(self.jobs), **size)
        self.jobs.append(self.rows.insert(comfyui_job_id=self.simulator.submit(graph)))
        return self.jobs[-1]

    def complete(self) -> Path:
        """A job that ends well before the fault: a file is known. Returns its file."""
        job = self.submit()
        self.rows.wait(job, "completed")
        return Path(str(self.rows.row(job)["output_path"]))

    def started(self, **more: Any) -> str:
        """A job that runs, and will end during the fault."""
        job = self.submit(**{"seconds": 1.0, **more})
        self.rows.wait(job, "processing")
        return job

    def ended(self, job: str) -> None:
        """Waits until its prompt has ended."""
        self.simulator.wait_until_ended(self.rows.row(job)["comfyui_job_id"])

    def lasts(self, job: str, seconds: float = FAULT_S) -> str:
        """Lets the service look on for a while after the prompt's end; what the row says then."""
        self.ended(job)
        since = self.now()
        looked = "select answered_at > %s + %s * interval '1 s' as ok from reconciler.servers"
        wait_for(
            lambda: self.rows.sql(f"{looked} where name = %s", since, seconds, self.name)[0]["ok"],
            "the service has looked",
        )
        return self.says(job)

    def over(self) -> None:
        """The fault ends now."""
        self._over_at = self.now()

    def right(self, job: str, status: str = "completed", error: str | None = None) -> str:
        """Waits until the row is right; how long that took since the fault was over, in words."""
        self.rows.wait(job, status, error)
        last = "select max(at) as at from reconciler.events where job_id = %s and to_status = %s"
        at = self.rows.sql(last, job, status)[0]["at"]
        return f"right {max((at - self._over_at).total_seconds(), 0.0):.2f} s after it"

    def says(self, job: str) -> str:
        """Status and kind of error."""
        row = self.rows.row(job)
        error = (row["error"] or "").split(":")[0]
        return f"{row['status']}: {error}" if error else str(row["status"])

    def story(self, job: str) -> list[str]:
        """Each final status that its row was given."""
        told = "select to_status from reconciler.events where job_id = %s order by id"
        return [
            each["to_status"]
            for each in self.rows.sql(told, job)
            if each["to_status"] in ("completed", "failed", "cancelled")
        ]

    def knows(self, path: Path) -> bool:
        """True once this file was inspected."""
        known = "select 1 from reconciler.outputs where path = %s"
        return bool(self.rows.sql(known, os.fsencode(path)))

    def now(self) -> Any:
        """By the database's clock."""
        return self.rows.sql("select clock_timestamp() as now")[0]["now"]


@dataclass
class Stage:
    """The service, and its servers by name."""

    gpus: dict[str, Gpu]
    service: Running


@contextmanager
def staged(
    url: str,
    folder: Path,
    places: dict[str, Path],
    *,
    untagged: Sequence[str] = (),
    prefix: Sequence[str] = (),
    **settings: Any,
) -> Iterator[Stage]:
    """A service that sees each server's outputs at its place, run by the command `prefix`.

    ComfyUI has them there, too, or in a folder called "<name>-real", where there is one. Servers
    that are `untagged` have no node pack and write nothing about themselves into their files.
    """
    rows = Rows(url)
    with ExitStack() as stack:
        gpus = {}
        for name, seen in places.items():
            real = folder / f"{name}-real" if (folder / f"{name}-real").is_dir() else seen
            simulator = Simulator(real, pack=name not in untagged, metadata=name not in untagged)
            gpus[name] = Gpu(name, stack.enter_context(simulator), seen, rows)
        servers = [
            {"name": name, "url": gpu.simulator.url, "output_dir": str(gpu.seen)}
            for name, gpu in gpus.items()
        ]
        config = write_config(folder, url, **{**HASTY, **settings, "servers": servers})
        service = stack.enter_context(running(config, prefix=prefix))
        yield Stage(gpus, service)
        assert service.process.poll() is None
        assert "a defect" not in service.log.read_text(), service.log.read_text()[-5000:]
