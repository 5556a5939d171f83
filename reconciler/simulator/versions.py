"""What differs between the two ComfyUI versions that the simulator can stand in for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Version:
    """The behaviour of one ComfyUI version, as its recordings show it."""

    name: str
    #: A client's own prompt id must be a lower-case hyphenated UUID; else any string is taken.
    strict_prompt_ids: bool
    #: A refusal for an unknown node says which one, in fields of its own.
    explains_missing_nodes: bool
    #: `extra_data.create_time` (ms) is stamped on each accepted prompt.
    stamps_create_time: bool
    #: `/api/jobs` exists.
    jobs_api: bool
    #: SaveVideo moves the moov box to the front once the mp4 is written.
    faststart: bool
    #: Progress events between the first and the last of a node come no closer than this.
    progress_interval_s: float
    #: Results of earlier prompts stay cached; else only those of the prompt right before.
    keeps_cache: bool
    #: Fields of `system` in /system_stats that only depend on the version.
    system: Mapping[str, object]


_PACKAGES = [
    {"name": "comfyui-frontend-package", "installed": "1.49.6", "required": "1.49.6"},
    {"name": "comfyui-workflow-templates", "installed": "0.11.44", "required": "0.11.44"},
]

VERSIONS: Mapping[str, Version] = {
    "0.3.64": Version(
        name="0.3.64",
        strict_prompt_ids=False,
        explains_missing_nodes=False,
        stamps_create_time=False,
        jobs_api=False,
        faststart=False,
        progress_interval_s=0.0,
        keeps_cache=False,
        system={
            "os": "posix",
            "required_frontend_version": "1.27.10",
            "installed_templates_version": "0.1.95",
            "required_templates_version": "0.1.95",
        },
    ),
    "0.33.0": Version(
        name="0.33.0",
        strict_prompt_ids=True,
        explains_missing_nodes=True,
        stamps_create_time=True,
        jobs_api=True,
        faststart=True,
        progress_interval_s=0.1,
        keeps_cache=True,
        system={
            "os": "linux",
            "required_frontend_version": "1.49.6",
            "installed_templates_version": "0.11.44",
            "required_templates_version": "0.11.44",
            "comfy_package_versions": _PACKAGES,
            "deploy_environment": "local-git",
        },
    ),
}


def find_version(name: str) -> Version:
    """The version of that name.

    Raises `SettingsError` if the simulator does not know it.
    """
    if name not in VERSIONS:
        known = " or ".join(VERSIONS)
        raise SettingsError(f"the simulator knows no ComfyUI version {name!r}: take {known}")
    return VERSIONS[name]
