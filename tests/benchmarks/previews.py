"""What a contact sheet and an animation cost beside the inspection that every file gets anyway."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reconciler.core.evidence import FileState
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.inspection import Inspection, to_json
from reconciler.outputs.limits import Limits
from reconciler.outputs.picture import PictureKind
from reconciler.outputs.pool import Inspectors
from reconciler.previews.pictures import order_for
from reconciler.settings.previews import PreviewSettings
from reconciler.store.output_ids import KnownOutput

#: Name, size, frames per second and seconds of each film.
_FILMS = (
    ("72 frames, 512x512", "512x512", 24, 3),
    ("120 frames, 1280x720", "1280x720", 24, 5),
    ("240 frames, 1920x1080", "1920x1080", 24, 10),
    ("6,000 frames, 640x360", "640x360", 30, 200),
)
_TIMES, _TIMES_QUICK = 5, 2


def run(console: Console, *, quick: bool) -> None:
    """Prints the table."""
    table = Table(title="Seconds for one file, median; one thread of the decoder")
    for column in ("film", "inspection", "sheet", "of it", "animation", "of it"):
        table.add_column(column, justify="left" if column == "film" else "right")
    times = _TIMES_QUICK if quick else _TIMES
    with tempfile.TemporaryDirectory() as folder, closing(Inspectors(1, Limits(threads=1))) as pool:
        for name, size, fps, seconds in _FILMS[:-1] if quick else _FILMS:
            path = _film(Path(folder), size, fps, seconds)
            seen = pool.inspect(path)
            inspection = _median(partial(pool.inspect, path), times)
            made = [_median(partial(_made, pool, path, seen, kind), times) for kind in PictureKind]
            shares = [text for each in made for text in (f"{each:.2f}", f"{each / inspection:.0%}")]
            table.add_row(name, f"{inspection:.2f}", *shares)
    console.print(table)


def _film(folder: Path, size: str, fps: int, seconds: int) -> Path:
    path = folder / f"{size}-{seconds}.mp4"
    source = f"testsrc2=size={size}:rate={fps}:duration={seconds}"
    recipe = f"-f lavfi -i {source} -c:v libx264 -preset ultrafast -pix_fmt yuv420p"
    command = [ffmpeg(), "-nostdin", "-v", "error", "-y", *recipe.split(), os.fspath(path)]
    subprocess.run(command, check=True)
    return path


def _made(pool: Inspectors, path: Path, seen: Inspection, kind: PictureKind) -> None:
    identity = (seen.size_bytes, seen.mtime_ns, seen.inode)
    output = KnownOutput(
        "", path, "", None, *identity, None, FileState.SOUND, to_json(seen), has_space=False
    )
    with path.open("rb") as file:
        pool.picture(file.fileno(), order_for(output, kind, PreviewSettings()))


def _median(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        began_s = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began_s)
    return statistics.median(taken)
