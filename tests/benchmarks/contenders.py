"""Who is measured: the reconciler as it is shipped, and the usual poller."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.integration.running import running

#: Starts a contender in a folder of its own, for this ComfyUI, output directory and database;
#: gives its process id.
Contender = Callable[[Path, str, Path, str], AbstractContextManager[int]]


@contextmanager
def reconciler(
    folder: Path, comfyui_url: str, output_dir: Path, database_url: str
) -> Iterator[int]:
    """`reconciler run` with every setting at its default."""
    config = folder / "reconciler.yaml"
    settings = {
        "servers": [{"name": "gpu", "url": comfyui_url, "output_dir": str(output_dir)}],
        "database": {"url": database_url},
        "data_dir": str(folder / "data"),
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    with running(config) as service:
        yield service.process.pid
        if service.process.poll() is not None:
            raise RuntimeError(f"the service ended: {service.log.read_text()[-2000:]}")


@contextmanager
def poller(folder: Path, comfyui_url: str, output_dir: Path, database_url: str) -> Iterator[int]:
    """The usual poller."""
    command = [sys.executable, "-m", "tests.benchmarks.poller", comfyui_url, database_url]
    with (folder / "poller.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process.pid
        if process.poll() is not None:
            raise RuntimeError(f"the poller ended: {(folder / 'poller.log').read_text()[-2000:]}")
    finally:
        process.kill()
        process.wait()
