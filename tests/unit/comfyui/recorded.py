"""The recordings of real ComfyUIs, by version and name."""

import json
from pathlib import Path
from typing import Any

OLD, NEW = "0.3.64", "0.33.0"
VERSIONS = (OLD, NEW)
_ROOT = Path(__file__).parents[2] / "recordings"


def recorded(version: str, name: str) -> Any:
    return json.loads((_ROOT / f"comfyui-{version}" / f"{name}.json").read_text("utf-8"))


def recorded_pack(name: str) -> Any:
    """What the node pack told inside a real ComfyUI."""
    return json.loads((_ROOT / "node-pack" / f"{name}.json").read_text("utf-8"))


def names(version: str) -> list[str]:
    return sorted(path.stem for path in (_ROOT / f"comfyui-{version}").glob("*.json"))


def messages(version: str, name: str) -> list[bytes]:
    """A recorded websocket transcript, as it went over the wire."""
    return [json.dumps(line["message"]).encode() for line in recorded(version, name)["ws"]]
