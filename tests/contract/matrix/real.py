"""A real ComfyUI, named by COMFYUI_DIR (its checkout) and COMFYUI_PYTHON (an interpreter that has
what it needs). COMFYUI_EXTRA_NODES may name folders of further custom nodes (VideoHelperSuite),
separated as in PATH, and COMFYUI_PORT a port.
"""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import closing
from pathlib import Path

from tests.contract.matrix.ground import Ground, answers
from tests.waiting import wait_for

CHECKOUT = os.environ.get("COMFYUI_DIR", "")
LAB_NODES = Path(__file__).parents[1] / "lab_nodes"
PACK = Path(__file__).parents[3] / "comfy_node"
START_S = 180.0


class RealGround:
    """A ComfyUI with a base directory of its own: the lab's nodes, and the pack or not."""

    simulated = False
    patience = 4.0

    def __init__(self, folder: Path, *, pack: bool, metadata: bool = True) -> None:
        self.pack = pack
        self.name = version_of(Path(CHECKOUT))
        self.output_dir = folder / "output"
        self._folder = folder
        self._port = int(os.environ.get("COMFYUI_PORT", "0")) or free_port()
        self._more = [] if metadata else ["--disable-metadata"]
        self._process: subprocess.Popen[bytes] | None = None
        self._furnish()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self.stop()
        with (self._folder / "comfyui.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(self._is_up, f"ComfyUI answers, see {log.name}", START_S)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        self.kill()
        self._process = None

    def _is_up(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "it ended while starting"
        return answers(self)

    def _furnish(self) -> None:
        for name in ("custom_nodes", "output", "input", "user", "temp", "models"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        extra = os.environ.get("COMFYUI_EXTRA_NODES", "")
        wanted = [LAB_NODES, *map(Path, filter(None, extra.split(os.pathsep)))]
        for nodes in [*wanted, PACK] if self.pack else wanted:
            (self._folder / "custom_nodes" / nodes.name).symlink_to(nodes.resolve())

    def _command(self) -> list[str]:
        listen = ["--listen", "127.0.0.1", "--port", str(self._port)]
        folders = ["--base-directory", self._folder, "--output-directory", self.output_dir]
        database = ["--database-url", f"sqlite:///{self._folder}/comfyui.db"]
        python = os.environ.get("COMFYUI_PYTHON", "python3")
        command = [python, "main.py", "--cpu", *listen, *folders, *database, *self._more]
        return list(map(str, command))


def free_port() -> int:
    """A port that nobody has now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def version_of(checkout: Path) -> str:
    """What `comfyui_version.py` says."""
    text = (checkout / "comfyui_version.py").read_text(encoding="utf-8")
    return text.partition("__version__ = ")[2].split()[0].strip("\"'")


def _is_ground(ground: RealGround) -> Ground:
    """For the type checker."""
    return ground
