"""What can be said of the settings alone."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.doctor.finding import Finding, failed, ok
from reconciler.errors import SettingsError
from reconciler.settings import Settings

_WHAT = "settings"


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Where the settings came from, and what of them stops the service."""
    number = len(settings.servers)
    servers = f"{number} server{'' if number == 1 else 's'}"
    yield ok(_WHAT, f"{servers}, from {settings.source}")
    if not settings.servers:
        yield failed(
            _WHAT,
            "no ComfyUI server is named",
            "use --server URL --output-dir DIR, or list `servers` in the settings file"
            " (config/reconciler.yaml shows how)",
        )
    for server in settings.servers:
        if server.fetch_outputs:
            yield ok(_WHAT, f"the outputs of server {server.name} are fetched through its /view")
        elif server.output_dir is None:
            yield failed(
                _WHAT,
                f"server {server.name} has no output_dir: no file of it can be checked, and"
                " nothing could ever be called completed",
                "set output_dir to ComfyUI's output directory as this machine sees it, or"
                " fetch_outputs: true",
            )


def settings_problems(error: SettingsError) -> Iterator[Finding]:
    """Settings that could not be read, a finding for each problem."""
    first, *rest = str(error).splitlines()
    for problem in rest or [first]:
        yield failed(
            _WHAT,
            problem.strip(),
            "correct it (config/reconciler.yaml shows every setting) and run doctor again",
        )


def check_stall(settings: Settings) -> Iterator[Finding]:
    """What a prompt that hangs will be known by.

    The node pack tells of every prompt. Without it ComfyUI sends progress to the client that
    submitted a prompt, and to all only where there was none: of another client's prompt nothing is
    ever heard, and silence proves nothing. Neither does a dead worker show itself then.
    """
    stall = settings.stall
    silence = f"after {stall.no_progress_s:g} s of silence"
    budget = (
        f"when its runtime budget is over ({stall.budget.base_s:g} s +"
        f" {stall.budget.per_frame_s:g} s per frame)"
    )
    number = len(stall.rules)
    exceptions = f"; {number} rule{'' if number == 1 else 's'} in stall.rules may say otherwise"
    exceptions = exceptions if number else ""
    heard = "with the node pack in ComfyUI"
    if settings.comfyui.socket:
        heard += ", or submitted without client_id"
    else:
        heard += " (comfyui.socket is off)"
    yield ok(
        "stall detection",
        f"{heard}, a prompt counts as stalled {silence}; one of another client without the pack"
        f" shows us no progress, and a dead worker no sign, so only {budget}{exceptions}",
    )
