"""The command: its arguments, and what they ask for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options

if TYPE_CHECKING:
    from reconciler.core.expectation import ExpectedFrames


def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|FOLDER...",
            help="Files to inspect; of a folder the media files in it.",
            show_default=False,
        ),
    ],
    *,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also what is in subfolders.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on: check what appears in the folders, or changes.")
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="With --watch: not what is there already.")
    ] = False,
    frames: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Frames that each video must have."),
    ] = None,
    tolerance: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Frames by which it may differ.", show_default=False),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="RATE", help="Frames per second of each video."),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="SECONDS", help="Duration of each video or sound."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Pixels of each picture, as 1280x720."),
    ] = None,
    min_bytes: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Bytes that each file has at least.")
    ] = None,
    audio: Annotated[
        bool | None,
        typer.Option("--audio/--no-audio", help="Each video must have sound, or none."),
    ] = None,
    black: Annotated[bool, typer.Option("--black", help="Warn of videos that are black.")] = False,
    frozen: Annotated[
        float | None,
        typer.Option(
            min=0.1, metavar="SECONDS", help="Warn where nothing moves for so long, or longer."
        ),
    ] = None,
    silent: Annotated[bool, typer.Option("--silent", help="Warn of silent sound.")] = False,
    near_empty: Annotated[
        bool, typer.Option("--near-empty", help="Warn of pictures of one color, or nearly.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 also for warnings and what is unjudged.")
    ] = False,
    all_: Annotated[bool, typer.Option("--all", help="Show sound files among many too.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            metavar="N",
            help="Files inspected side by side. Default: half the processors.",
            show_default=False,
        ),
    ] = None,
    json_: options.Json = False,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Inspect files as the service does, without any database: are they whole?"""
    if new and not watch:
        raise typer.BadParameter("--new belongs to --watch")
    if tolerance is not None and frames is None:
        raise typer.BadParameter("--tolerance belongs to --frames N")
    wide, high = pixels(size)
    settings = options.load_settings(config, log_level)
    from reconciler.cli.check.order import Order
    from reconciler.core.expectation import Expectation
    from reconciler.outputs.wanted import Wanted

    slack = settings.inspection.frame_tolerance if tolerance is None else tolerance
    expected = Expectation(
        frames=_frames(frames, slack),
        fps=fps,
        duration_s=duration,
        width=wide,
        height=high,
        min_bytes=min_bytes,
        audio=audio,
    )
    wanted = Wanted(False, black, frozen, silent, near_empty)
    order = Order(
        tuple(paths),
        expected,
        wanted,
        jobs=jobs or default_jobs(),
        recursive=recursive,
        watch=watch,
        new=new,
        all_=all_,
        json=json_,
        strict=strict,
    )
    if watch:
        from reconciler.cli.check.follow import follow as run
    else:
        from reconciler.cli.check.once import once as run
    if code := run(order, settings):
        raise typer.Exit(code)


def pixels(size: str | None) -> tuple[int | None, int | None]:
    """Width and height out of "1280x720". Raises typer.BadParameter."""
    if size is None:
        return None, None
    found = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", size.strip(), re.IGNORECASE)
    if found is None:
        raise typer.BadParameter(f"{size!r} is no size: write width and height as 1280x720")
    return int(found[1]), int(found[2])


def default_jobs() -> int:
    """Half the processors: each inspection may use several, and somebody works here."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


def _frames(count: int | None, tolerance: int) -> ExpectedFrames | None:
    from reconciler.core.expectation import ExpectedFrames

    return None if count is None else ExpectedFrames(count, tolerance=tolerance)
