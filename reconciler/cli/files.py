"""`reconciler check`: the inspection of files, alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from reconciler.outputs.inspection import Defect, Inspection
    from reconciler.settings import Settings

UNSOUND, UNREADABLE = 1, 2
#: The kind of defect of a file that could not be inspected at all.
UNREADABLE_KIND = "unreadable"


@dataclass(frozen=True, slots=True)
class Checked:
    """One file, what was found in it, and all that is wrong, what was expected included."""

    path: Path
    #: None where it could not be read.
    inspection: Inspection | None
    defects: tuple[Defect, ...]


def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files to inspect.", show_default=False)
    ],
    *,
    frames: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Frames that each video must have."),
    ] = None,
    json_: options.Json = False,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Inspect files as the service does, without any database: are they whole?"""
    settings = options.load_settings(config, log_level)
    checked = [_check(path, frames, settings) for path in files]
    if json_:
        from reconciler.cli.terminal import raw

        raw(json.dumps([as_json(one, frames) for one in checked], indent=2))
    else:
        _say(checked)
    if any(one.inspection is None for one in checked):
        raise typer.Exit(UNREADABLE)
    if any(one.defects for one in checked):
        raise typer.Exit(UNSOUND)


def _check(path: Path, frames: int | None, settings: Settings) -> Checked:
    from reconciler.cli.terminal import warn
    from reconciler.errors import InspectionError, OutputError
    from reconciler.outputs.inspect import inspect
    from reconciler.outputs.inspection import Defect, check_frames
    from reconciler.service.wiring import limits_of

    try:
        inspection = inspect(path, limits=limits_of(settings), thumbnail=False)
    except (OutputError, InspectionError) as error:
        warn("error: ", error)
        return Checked(path, None, (Defect(UNREADABLE_KIND, str(error)),))
    expected = check_frames(inspection, frames, settings.inspection.frame_tolerance)
    return Checked(path, inspection, (*inspection.defects, *expected))


def as_json(checked: Checked, expected_frames: int | None) -> dict[str, Any]:
    """A file for programs. The bytes of a name that are no UTF-8 are Python's surrogates."""
    names = ("frames", "fps", "duration_s", "width", "height", "codec", "container")
    found = {name: getattr(checked.inspection, name, None) for name in names}
    frames = found.pop("frames")
    return {
        "path": os.fspath(checked.path),
        "sound": not checked.defects,
        "frames": frames,
        "expected_frames": expected_frames,
        **found,
        "defects": [{"kind": defect.kind, "detail": defect.detail} for defect in checked.defects],
    }


def _say(checked: Sequence[Checked]) -> None:
    from reconciler.cli.terminal import say

    say(_table([one for one in checked if one.inspection is not None]))


def _table(checked: Sequence[Checked]) -> Table:
    """A line for each file and, indented below it, one for each defect."""
    from dataclasses import asdict

    from rich.table import Table
    from rich.text import Text

    from reconciler.cli.media import media_words
    from reconciler.cli.terminal import safe
    from reconciler.outputs.text import shown_path

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for one in checked:
        assert one.inspection is not None
        verdict = Text("UNSOUND", "bold red") if one.defects else Text("sound", "green")
        text = Text(shown_path(one.path))
        text.append(f"\n{media_words(asdict(one.inspection))}", "dim")
        for defect in one.defects:
            text.append(f"\n{defect.kind}: {safe(defect.detail)}", "red")
        grid.add_row(verdict, text)
    return grid
