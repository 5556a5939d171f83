"""What a node sees of the prompt it works for, and of the process around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image

from reconciler.simulator.graph import Graph
from reconciler.simulator.progress import Progress
from reconciler.simulator.render import Tick
from reconciler.simulator.server import PromptServer
from reconciler.simulator.signals import Signals
from reconciler.simulator.socket import PREVIEW_IMAGE_WITH_METADATA, UNENCODED_PREVIEW_IMAGE
from reconciler.simulator.versions import Version

#: ComfyUI's --preview-size, as it is unless somebody changes it.
PREVIEW_PX = 512


@dataclass(frozen=True, slots=True)
class Stage:
    """The simulated process, as far as a node can reach it."""

    output_dir: Path
    temp_dir: Path
    #: Every simulated duration is divided by it.
    speed: float
    version: Version
    #: False for `--disable-metadata`.
    metadata: bool
    signals: Signals
    server: PromptServer
    #: What nodes keep from prompt to prompt, by node id.
    memory: dict[str, Any]
    #: End this process and start the next after so many seconds; callable from any thread.
    crash: Callable[[float], None]
    #: Make every HTTP answer late by so many seconds from now on.
    delay_answers: Callable[[float], None]


@dataclass(slots=True)
class Run:
    """One prompt at work. Nodes note here what they really write."""

    stage: Stage
    prompt_id: str
    graph: Graph
    extra_data: Mapping[str, Any]
    progress: Progress
    #: What a saver writes into its files, whether ComfyUI allows it or not.
    all_tags: Mapping[str, str]
    files: list[Path] = field(default_factory=list)
    main_file: Path | None = None
    frames_written: int = 0

    @property
    def tags(self) -> Mapping[str, str]:
        """What ComfyUI's own savers write into their files; VHS minds no `--disable-metadata`."""
        return self.all_tags if self.stage.metadata else {}

    def hidden_inputs(self, node_id: str, wanted: Iterable[str]) -> dict[str, Any]:
        """What a node is told besides its inputs."""
        told = {
            "prompt": self.graph,
            "extra_pnginfo": self.extra_data.get("extra_pnginfo"),
            "unique_id": node_id,
        }
        return {name: told[name] for name in wanted}

    def pause(self, seconds: float) -> None:
        """Let simulated time pass; raises what the outside wants (see `Signals.pause`)."""
        self.stage.signals.pause(seconds / self.stage.speed)

    def show(self, node_id: str, image: Image.Image) -> None:
        """A preview for whoever submitted the prompt, in the form that this client takes."""
        server, picture = self.stage.server, ("JPEG", image, PREVIEW_PX)
        client_id = server.client_id
        if not server.hub.takes_metadata(client_id):
            server.send_sync(UNENCODED_PREVIEW_IMAGE, picture, client_id)
            return
        about = {"prompt_id": self.prompt_id, "parent_node_id": None}
        about |= dict.fromkeys(("node_id", "display_node_id", "real_node_id"), node_id)
        server.send_sync(PREVIEW_IMAGE_WITH_METADATA, (picture, about), client_id)

    def crash(self, restart_after_s: float) -> NoReturn:
        """The process dies here and now, and is started again after so many seconds."""
        self.stage.crash(restart_after_s)
        self.stage.signals.hang()

    def begins(self, path: Path) -> None:
        """A file is about to be written, beside the main one."""
        self.files.append(path)

    def begins_main(self, path: Path) -> None:
        """A file is about to be written that is the result."""
        self.begins(path)
        self.main_file = path
        self.frames_written = 0

    def counting(self, tick: Tick) -> Tick:
        """`tick`, and a count of the frames that were written."""

        def counted(number: int) -> None:
            tick(number)
            self.frames_written = number + 1

        return counted


@dataclass(frozen=True, slots=True)
class Result:
    """What a node hands on: a value for each output slot, and what it shows to users."""

    values: tuple[Any, ...] = ()
    #: As in the history's `outputs`; None for a node that saves nothing.
    ui: dict[str, Any] | None = None


class NodeFailed(Exception):
    """A node raises, as its script says or because it cannot do what it is asked for."""

    def __init__(self, exception_type: str, message: str, tips: str = "") -> None:
        """`exception_type`, `message` and `tips` become part of `execution_error`."""
        super().__init__(message)
        self.exception_type = exception_type
        self.tips = tips
