"""What GET /system_stats says."""

from __future__ import annotations

from pathlib import PurePath, PurePosixPath, PureWindowsPath

from reconciler.comfyui.fields import Misshapen, items, mapping, number, text
from reconciler.comfyui.values import Device, ServerInfo

_MAX_CHARS = 4096


def server_info(answer: object) -> ServerInfo:
    """The answer as a value. Raises `Misshapen` if it does not even say `system`."""
    if not isinstance(mapping(answer).get("system"), dict):
        raise Misshapen("'system' is missing or no object")
    system = mapping(mapping(answer)["system"])
    argv = tuple(word for item in items(system.get("argv")) if (word := text(item, _MAX_CHARS)))
    os_name = text(system.get("os"), _MAX_CHARS)
    return ServerInfo(
        version=text(system.get("comfyui_version"), _MAX_CHARS),
        output_dir=_output_dir(argv, os_name),
        argv=argv,
        python_version=text(system.get("python_version"), _MAX_CHARS),
        pytorch_version=text(system.get("pytorch_version"), _MAX_CHARS),
        os=os_name,
        devices=tuple(_device(mapping(item)) for item in items(mapping(answer).get("devices"))),
    )


def _output_dir(argv: tuple[str, ...], os_name: str | None) -> str | None:
    output = _option(argv, "--output-directory")
    base = _option(argv, "--base-directory")
    if output is not None or base is None:
        return output
    path: type[PurePath] = PureWindowsPath if os_name in ("nt", "win32") else PurePosixPath
    return str(path(base) / "output")


def _option(argv: tuple[str, ...], name: str) -> str | None:
    """An option's value in both spellings; the last one counts, as it does for ComfyUI."""
    found = None
    for n, word in enumerate(argv):
        if word == name and n + 1 < len(argv):
            found = argv[n + 1]
        elif word.startswith(f"{name}="):
            found = word.partition("=")[2]
    return found


def _device(device: dict[str, object]) -> Device:
    def size(key: str) -> int | None:
        known = number(device.get(key))
        return None if known is None else int(known)

    return Device(
        name=text(device.get("name"), _MAX_CHARS) or "unknown",
        type=text(device.get("type"), _MAX_CHARS) or "unknown",
        vram_total_bytes=size("vram_total"),
        vram_free_bytes=size("vram_free"),
    )
