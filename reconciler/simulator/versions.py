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
    #: Secrets of `extra_data` go into a sixth part of a queue's item; and each accepted prompt is
    #: stamped with `extra_data.create_time` (ms).
    secrets_apart: bool
    #: `/api/jobs` exists.
    jobs_api: bool
    #: SaveVideo moves the moov box to the front once the mp4 is written.
    faststart: bool
    #: Progress events between the first and the last of a node come no closer than this.
    progress_interval_s: float
    #: A saver's counter also minds `name_00007.ext`, which has no underscore behind the number.
    counts_every_number: bool
    #: What stands between number and extension in the names of SaveAudio.
    audio_name_end: str
    #: Fields of `system` in /system_stats that only depend on the version.
    system: Mapping[str, object]
    #: Fields of each node in /object_info that only depend on the version.
    node_info: Mapping[str, object]


_PACKAGES = [
    {"name": "comfyui-frontend-package", "installed": "1.49.6", "required": "1.49.6"},
    {"name": "comfyui-workflow-templates", "installed": "0.11.44", "required": "0.11.44"},
]

VERSIONS: Mapping[str, Version] = {
    "0.3.64": Version(
        name="0.3.64",
        strict_prompt_ids=False,
        explains_missing_nodes=False,
        secrets_apart=False,
        jobs_api=False,
        faststart=False,
        progress_interval_s=0.0,
        counts_every_number=False,
        audio_name_end="_",
        system={
            "os": "posix",
            "required_frontend_version": "1.27.10",
            "installed_templates_version": "0.1.95",
            "required_templates_version": "0.1.95",
        },
        node_info={},
    ),
    "0.33.0": Version(
        name="0.33.0",
        strict_prompt_ids=True,
        explains_missing_nodes=True,
        secrets_apart=True,
        jobs_api=True,
        faststart=True,
        progress_interval_s=0.1,
        counts_every_number=True,
        audio_name_end="",
        system={
            "os": "linux",
            "required_frontend_version": "1.49.6",
            "installed_templates_version": "0.11.44",
            "required_templates_version": "0.11.44",
            "comfy_package_versions": _PACKAGES,
            "deploy_environment": "local-git",
        },
        node_info={
            "is_input_list": False,
            "has_intermediate_output": False,
            "search_aliases": [],
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
