"""Whether a clone of the repository in custom_nodes holds work that exists nowhere else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_GIT_S = 30.0
#: What Python and ComfyUI-Manager leave behind; everything else was put there by somebody.
_LEFT_BEHIND = ("__pycache__/", ".pyc")
#: What git's environment says of the repository that it is to use.
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE")


def why_keep(clone: Path) -> str | None:
    """Why this clone must not be deleted, in words; None where all of it can be cloned again."""
    if not (clone / ".git").is_dir():
        return "it is no clone of ours: remove it with what installed it (ComfyUI-Manager, comfy)"
    try:
        # Said outright: settings may hide files that git does not track.
        status = _git(
            clone, "status", "--porcelain", "--ignored", "--untracked-files=normal"
        ).splitlines()
        strange = [line[3:] for line in status if not line.rstrip('"').endswith(_LEFT_BEHIND)]
        if strange:
            return (
                f"it has changes or files of its own ({strange[0]}{', ...' * (len(strange) > 1)})"
            )
        if _git(clone, "stash", "list") or _git(
            clone, "log", "-1", "--format=%h", "HEAD", "--branches", "--tags", "--not", "--remotes"
        ):
            return "it has commits that no remote has"
    except (OSError, subprocess.SubprocessError) as error:
        return f"git cannot say whether it was changed: {error}"
    return None


def _git(clone: Path, *words: str) -> str:
    """What git says. A clone's own settings must not start programs: no fsmonitor, no hooks."""
    plain = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    command = ["git", *plain, "-C", str(clone), *words]
    # Run from a hook of another repository, git would speak of that one.
    env = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_GIT_S, check=True, env=env
    )
    return done.stdout.strip("\n")
