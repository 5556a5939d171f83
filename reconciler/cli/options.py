"""Options that several commands have, and the settings that they give together.

Every command takes `--config` and `--log-level` itself, so that they work before and after its
name; the root hands down what it was given as the commands' default.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from reconciler.settings import Settings

LogLevel = Literal["debug", "info", "warning", "error"]

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file.", show_default=False),
]
Log = Annotated[
    LogLevel | None,
    typer.Option(
        "--log-level",
        metavar="LEVEL",
        help="Log lines from this level: debug, info, warning or error.",
        show_default=False,
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="The only ComfyUI server, as http://127.0.0.1:8188.", show_default=False
    ),
]
OutputDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="ComfyUI's output directory, as seen from here.", show_default=False
    ),
]
StoredPath = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="The same directory as applications see it: what rows store.",
        show_default=False,
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Postgres, as postgresql://user:password@host/name. Without it: an embedded one.",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where the embedded Postgres lies.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


def load_settings(
    config: Path | None,
    log_level: LogLevel | None,
    *,
    server: str | None = None,
    output_dir: Path | None = None,
    stored_path: str | None = None,
    database: str | None = None,
    data_dir: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    usual_level: LogLevel = "warning",
) -> Settings:
    """The settings of a command, with its flags above everything else; starts logging.

    A service says what it does and why (see `log_as_service`); the other commands only log from
    `usual_level` unless they are asked for more. Raises SettingsError.
    """
    from reconciler.cli import logs
    from reconciler.settings import load

    logs.set_up(log_level or usual_level, "console")
    flags = _server_flags(server, output_dir, stored_path)
    if database is not None:
        flags["database"] = {"url": database}
    if data_dir is not None:
        flags["data_dir"] = data_dir
    if web := {k: v for k, v in (("host", host), ("port", port)) if v is not None}:
        flags["web"] = web
    if log_level is not None:
        flags["log"] = {"level": log_level}
    settings = load(config=config, flags=flags)
    if settings.log.format == "json":
        logs.set_up(log_level or usual_level, "json")
    return settings


def log_as_service(settings: Settings) -> None:
    """Logs as the settings say: this process runs for long, and its log is read later."""
    from reconciler.cli import logs

    logs.set_up(settings.log.level, settings.log.format)


def _server_flags(
    server: str | None, output_dir: Path | None, stored_path: str | None
) -> dict[str, Any]:
    """The one server of the flags, in place of all that a file lists."""
    from reconciler.settings import one_server

    if server is None:
        if output_dir is None and stored_path is None:
            return {}
        raise typer.BadParameter(
            "--output-dir and --stored-path belong to a server: give --server URL too,"
            " or set output_dir in the settings file"
        )
    flags = one_server(server, output_dir)
    if stored_path is not None:
        flags["servers"][0]["stored_path"] = stored_path
    return flags
