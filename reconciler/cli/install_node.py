"""`reconciler install-node`: the node pack into a ComfyUI, and out again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.errors import ReconcilerError


def install_node(
    comfyui_dir: Annotated[
        Path,
        typer.Argument(
            metavar="COMFYUI_DIR",
            help="ComfyUI's directory, its custom_nodes, or its --base-directory.",
            show_default=False,
        ),
    ],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is installed, and whether it fits.")
    ] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Take it out again.")] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the files; else a link, where links work.")
    ] = False,
    log_level: options.Log = None,
) -> None:
    """Put the node pack into a ComfyUI. ComfyUI loads it when it starts.

    A link follows this reconciler when it is updated; a copy is updated by running this again.
    What somebody changed by hand is never touched.
    """
    from reconciler.cli import logs
    from reconciler.cli.installed_pack import custom_nodes_in, installed_in
    from reconciler.cli.pack_install import install, say_what_is_there, uninstall_all

    logs.set_up(log_level or "warning", "console")
    if check + uninstall + copy > 1:
        raise typer.BadParameter("--check, --uninstall and --copy exclude each other")
    custom_nodes = custom_nodes_in(Path(os.path.abspath(comfyui_dir)))
    if custom_nodes is None:
        raise typer.BadParameter(
            f"{comfyui_dir} is no ComfyUI: it has no folder custom_nodes. Name the directory that"
            " holds ComfyUI's main.py, or the one given to it as --base-directory"
        )
    try:
        found = installed_in(custom_nodes)
        if check:
            raise typer.Exit(0 if say_what_is_there(custom_nodes, found) else 1)
        if uninstall:
            uninstall_all(custom_nodes, found)
        else:
            install(custom_nodes, found, copy=copy)
    except OSError as error:
        raise ReconcilerError(f"{error.filename or custom_nodes}: {error.strerror}") from error
