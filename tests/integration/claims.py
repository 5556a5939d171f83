"""Files with tags, for tests of whose they are: written as ComfyUI's savers write them."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.integration.reconciling import Bench

P1, P2, P3 = (f"{n * 8}-{n * 4}-4{n * 3}-8{n * 3}-{n * 12}" for n in "123")
#: Of another database, or of nobody.
STRANGE = "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee"


def picture(
    bench: Bench,
    name: str,
    job: str | None = None,
    prompt_id: str | None = None,
    *,
    age_s: float = 0.0,
    color: str = "blue",
) -> Path:
    """A sound picture with this tag, changed so long ago, that the watch found."""
    path = bench.root.resolve() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngInfo()
    for key, value in (("job_id", job), ("prompt_id", prompt_id)):
        if value is not None:
            info.add_text(key, f'"{value}"')
    Image.new("RGB", (32, 32), color).save(path, "PNG", pnginfo=info)
    return appears(bench, path, age_s=age_s)


def gif(bench: Bench, name: str, *, frames: int = 3, whole: bool = True) -> Path:
    """An animated gif, which carries no tag; or what a crash leaves of one."""
    path = bench.root.resolve() / name
    pictures = [Image.new("RGB", (32, 32), (10 * n, 0, 0)) for n in range(frames)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=80)
    if not whole:
        path.write_bytes(path.read_bytes()[:-40])
    return appears(bench, path)


def appears(bench: Bench, path: Path, *, age_s: float = 0.0) -> Path:
    """The watch found the file, changed so long ago, and had it inspected."""
    changed = bench.store.jobs.now() - age_s
    os.utime(path, (changed, changed))
    bench.gatherer.servers["gpu"].book.look_up(path)
    bench.settle()
    return path


def owner(bench: Bench, path: Path) -> str | None:
    """The job that has the file."""
    return bench.store.outputs.known([path])[path].job_id


def orphans(bench: Bench) -> list[str]:
    """The names of the files that are nobody's."""
    return sorted(one.path.name for one in bench.store.outputs.orphans(None)[0])


def lost(bench: Bench, job: str, prompt_id: str = P1) -> None:
    """ComfyUI ran the job's prompt and forgets it."""
    bench.server.run(prompt_id, job_id=job)
    bench.run_pass()
    bench.server.forget(prompt_id)


def defects(bench: Bench, job: str) -> str:
    """What the row says is wrong."""
    return bench.row(job)["error"] or ""
