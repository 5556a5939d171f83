"""`reconciler simulate`: a ComfyUI stand-in, alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.errors import SettingsError


def simulate(
    *,
    output_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="Where its output files go.", show_default=False)
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8188,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    version_of_comfyui: Annotated[
        str, typer.Option(metavar="VERSION", help="0.33.0 or 0.3.64.")
    ] = "0.33.0",
    pack: Annotated[
        bool, typer.Option("--pack/--no-pack", help="With the node pack installed, or without.")
    ] = True,
    disable_metadata: Annotated[
        bool, typer.Option("--disable-metadata", help="ComfyUI's own savers write no tags.")
    ] = False,
    speed: Annotated[
        float, typer.Option(min=0.01, help="How much faster than usual it works.")
    ] = 1.0,
    log_level: options.Log = None,
) -> None:
    """Play a ComfyUI server that makes real files, for trying things out."""
    from reconciler.cli import logs

    logs.set_up(log_level or "info")
    with needs_simulator():
        from reconciler.simulator.serve import serve
    serve(
        output_dir=output_dir,
        host=host,
        port=port,
        version=version_of_comfyui,
        pack=pack,
        speed=speed,
        metadata=not disable_metadata,
    )


@contextmanager
def needs_simulator() -> Iterator[None]:
    """The simulator's one dependency is an extra of the package."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise SettingsError(
            "the simulator needs aiohttp: pip install 'comfyui-reconciler[simulator]'"
        ) from error
