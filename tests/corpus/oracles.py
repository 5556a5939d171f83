"""Whether anything but a digest can see the damage of a file: decoders other than our checks."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

from PIL import Image

from tests.corpus.cases import Case
from tests.corpus.ffmpeg import executable
from tests.corpus.pyav import look
from tests.corpus.truth import PILLOW, shown

STRICT = ("-err_detect", "crccheck+bitstream+buffer+careful+explode")


def noticed(folder: Path, case: Case, pristine: Case | None) -> bool:
    """True where damage can be seen without a digest.

    Damage by construction (a truncated file, a stranger) always can. Damage within the file can
    where a decoder complains of it, and not of the pristine file, or gives another number of
    frames than the pristine file has.
    """
    if case.constructed or pristine is None:
        return True
    path, before = folder / case.path, folder / pristine.path
    if len(shown(path, case.container).pictures) != len(shown(before, case.container).pictures):
        return True
    return any(
        ask(path, case.container) and not ask(before, case.container)
        for ask in (_by_ffmpeg, _by_pillow, _by_pyav)
    )


def _by_ffmpeg(path: Path, extension: str) -> bool:
    command = [executable(), "-hide_banner", "-nostdin", "-v", "warning", *STRICT]
    command += ["-i", f"file:{path}", "-f", "null", "-"]
    done = subprocess.run(
        command, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=60
    )
    return done.returncode != 0 or bool(done.stderr.strip())


def _by_pillow(path: Path, extension: str) -> bool:
    if extension not in PILLOW | {"gif"}:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with Image.open(path) as image:
                image.verify()
        except Exception:  # whatever it raises, it noticed
            return True
    return shown(path, "png").broke


def _by_pyav(path: Path, extension: str) -> bool:
    return bool(look(path)[0])
