"""Where the node pack lies in a ComfyUI, and in which form: only looks."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from comfy_node.contract import PACK_VERSION, TAG_NODE

#: ComfyUI loads every folder in here, but none whose name ends so.
CUSTOM_NODES, DISABLED = "custom_nodes", ".disabled"
#: In each copy that we make: the digest of every file, to tell whether somebody changed one.
RECEIPT = ".reconciler-copy.json"
_MAX_BYTES = 2**20
_VERSION = re.compile(r'^PACK_VERSION = "([^"\n]{1,40})"$', re.MULTILINE)
_OURS = re.compile(rf'^TAG_NODE\b.*"{TAG_NODE}"$', re.MULTILINE)
_BEFORE_VERSIONS = "0.1"


class Form(Enum):
    """What lies in custom_nodes. The values are words for people."""

    #: A symbolic link, to the pack or to a checkout of the whole repository.
    LINK = "a link to"
    #: A copy that `install-node` made.
    COPY = "a copy"
    #: The whole repository: a clone, or what the Comfy registry unpacks.
    REPOSITORY = "the whole repository"
    #: The pack's folder, copied there by hand.
    FOLDER = "a folder, copied by hand"


@dataclass(frozen=True, slots=True)
class Installed:
    """The pack as it lies in custom_nodes."""

    path: Path
    form: Form
    #: None for a link that leads nowhere.
    version: str | None

    @property
    def is_current(self) -> bool:
        """Whether it is of the version that this reconciler expects."""
        return self.version == PACK_VERSION

    def __str__(self) -> str:
        target = f" {os.readlink(self.path)}" if self.form is Form.LINK else ""
        version = "which is not there" if self.version is None else f"version {self.version}"
        return f"{self.path}: {self.form.value}{target}, {version}"


def custom_nodes_in(folder: Path) -> Path | None:
    """The custom_nodes of ComfyUI's directory, of a --base-directory, or the folder itself."""
    if folder.name == CUSTOM_NODES and folder.is_dir():
        return folder
    below = folder / CUSTOM_NODES
    return below if below.is_dir() else None


def installed_in(custom_nodes: Path) -> list[Installed]:
    """Every place where ComfyUI would load the pack from. More than one is a mistake."""
    found = map(_recognised, sorted(custom_nodes.iterdir()))
    return [one for one in found if one is not None]


def digests_of(pack: Path) -> dict[str, str]:
    """Relative path → sha256 of every file of a pack's folder, without what Python compiled."""
    return {
        path.relative_to(pack).as_posix(): _digest(path)
        for path in _files(pack)
        if path.name != RECEIPT
    }


def changed_since_copied(copy: Path) -> list[str]:
    """The files of our copy that were changed, added or removed since, by their names."""
    then, now = receipt_of(copy), digests_of(copy)
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))


def receipt_of(copy: Path) -> dict[str, str]:
    """The digests that were noted when the copy was made; empty where there is no such note."""
    try:
        noted = json.loads(_text(copy / RECEIPT))
    except ValueError:
        return {}
    return noted if isinstance(noted, dict) else {}


def _recognised(entry: Path) -> Installed | None:
    if entry.name.endswith(DISABLED):
        return None
    if entry.is_symlink():
        version = _version_in(entry) or _version_in(entry / "comfy_node")
        if version is None and (entry.exists() or Path(os.readlink(entry)).name != "comfy_node"):
            return None
        return Installed(entry, Form.LINK, version)
    if version := _version_in(entry):
        return Installed(entry, Form.COPY if receipt_of(entry) else Form.FOLDER, version)
    if version := _version_in(entry / "comfy_node"):
        return Installed(entry, Form.REPOSITORY, version)
    return None


def _version_in(folder: Path) -> str | None:
    """The version of the pack in this folder; None where it is not the pack. Runs nothing."""
    text = _text(folder / "contract.py")
    if not _OURS.search(text):
        return None
    version = _VERSION.search(text)
    return _BEFORE_VERSIONS if version is None else version[1]


def _text(path: Path) -> str:
    """The text of a small file that may be anybody's; empty where it cannot be had."""
    try:
        if not path.is_file():  # to open a pipe would wait for ever
            return ""
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _digest(path: Path) -> str:
    """Empty for what is no file: that is not as it was copied, whatever it holds."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _files(pack: Path) -> Iterator[Path]:
    """Its files; a linked folder (the example workflows of a checkout) counts as a folder.

    Links that lead nowhere are left out, as copies leave them out.
    """
    for folder, names, files in os.walk(pack, followlinks=True):
        names[:] = sorted(name for name in names if name != "__pycache__")
        paths = (Path(folder, name) for name in sorted(files))
        yield from (path for path in paths if path.exists())
