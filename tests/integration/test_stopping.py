"""A service that stops leaves no inspection behind, and nothing of it is lost."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import imageio_ffmpeg
import psutil

from reconciler.simulator.simulator import Simulator
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for


def large_video(path: Path) -> None:
    """One whose decoding takes much longer than a stop may."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = ["-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=60:duration=20"]
    options = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "45", "-y", str(path)]
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, *options]
    subprocess.run(ffmpeg, check=True, timeout=100)


def test_a_running_inspection_is_ended_and_done_again(database: str, tmp_path: Path) -> None:
    rows = Rows(database)
    video = tmp_path / "output" / "large.mp4"
    large_video(tmp_path / "large.mp4")
    with Simulator(tmp_path / "output") as gpu:
        config = write_config(tmp_path, database, gpu)
        with running(config) as service:
            (tmp_path / "large.mp4").rename(video)
            process = psutil.Process(service.process.pid)
            decoding = wait_for(lambda: process.children(recursive=True), "it is inspected")
            began = time.monotonic()
            assert service.end() == 0
            assert time.monotonic() - began < 5.0
            assert not any(child.is_running() for child in decoding)
        known = "select verdict, inspection ->> 'frames' as frames from reconciler.outputs"
        assert rows.sql(known) == []
        with running(config):
            wait_for(lambda: rows.sql(known), "the next start inspects it")
        assert rows.sql(known) == [{"verdict": "sound", "frames": "1200"}]
