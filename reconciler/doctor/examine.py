"""All checks, in the order in which their findings are told."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.doctor.bounded import Check, run_checks
from reconciler.doctor.database import check_database
from reconciler.doctor.finding import Finding
from reconciler.doctor.inotify import InotifyLimits, check_instances, read_limits
from reconciler.doctor.machine import check_ffmpeg, check_inspection, check_machine
from reconciler.doctor.output import check_output, check_shared
from reconciler.doctor.same_directory import check_same_directory
from reconciler.doctor.server import check_server, check_websocket
from reconciler.doctor.settings import check_settings, check_stall
from reconciler.doctor.web import check_web
from reconciler.doctor.webhooks import check_webhooks
from reconciler.service.inspecting import limits_of
from reconciler.settings import ServerSettings, Settings

#: Beyond the time-outs that the settings give a server or the database, in seconds.
MARGIN_S = 15.0
_STORAGE = (
    "see whether its storage answers (ls hangs too?); a network share may have to be remounted"
)
_SERVER = "run doctor again when ComfyUI is idle"


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything there is to say about these settings on this machine.

    Bounded in time: no check waits longer than its deadline, and all run at once.
    """
    yield from check_settings(settings)
    yield from check_stall(settings)
    yield from run_checks(_checks(settings))


def _checks(settings: Settings) -> Iterator[Check]:
    limits, wait_s = read_limits(), settings.database.connect_timeout_s
    yield Check("this machine", check_machine, "run doctor again")
    yield Check("ffmpeg", check_ffmpeg, "see whether this machine is overloaded")
    yield Check(
        "inspection",
        lambda: check_inspection(limits_of(settings)),
        "see whether this machine is overloaded, and whether its temporary folder can be written",
    )
    yield Check(
        "database",
        lambda: check_database(settings),
        "see whether Postgres is overloaded or locked (pg_stat_activity)",
        wait_s + MARGIN_S,
    )
    yield Check(
        "web interface",
        lambda: check_web(settings),
        "see whether its address answers",
        wait_s + MARGIN_S,
    )
    yield Check(
        "webhooks",
        lambda: check_webhooks(settings),
        "see whether Postgres is overloaded or locked (pg_stat_activity)",
        wait_s + MARGIN_S,
    )
    servers = len(settings.servers)
    yield Check("inotify", lambda: check_instances(servers, limits), "run doctor again")
    for server in settings.servers:
        yield from _checks_of(settings, server, limits)
    named = {s.name: s.output_dir for s in settings.servers if s.output_dir is not None}
    if len(named) > 1:
        yield Check("output directories", lambda: check_shared(named), _STORAGE)


def _checks_of(
    settings: Settings, server: ServerSettings, limits: InotifyLimits
) -> Iterator[Check]:
    wait_s, root = 3 * settings.comfyui.timeout_s + MARGIN_S, server.output_dir
    yield Check(f"{server.name}, ComfyUI", lambda: check_server(settings, server), _SERVER, wait_s)
    yield Check(f"{server.name}, websocket", lambda: check_websocket(settings, server), _SERVER)
    if root is None:
        return
    yield Check(
        f"{server.name}, output directory",
        lambda: check_output(server.name, root, settings.watch, limits),
        _STORAGE,
    )
    yield Check(
        f"{server.name}, ComfyUI's files",
        lambda: check_same_directory(settings, server, root),
        _STORAGE,
        wait_s,
    )
