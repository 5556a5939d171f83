"""What ComfyUI's installers read of this repository: metadata, and no packages to install."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import reconciler
from comfy_node.contract import PACK_VERSION

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_is_one() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d[^]]*)\]", changes, re.MULTILINE)

    assert newest is not None
    assert PROJECT["project"]["version"] == PACK_VERSION == reconciler.__version__ == newest[1]


def test_the_metadata_are_as_the_registry_wants_them() -> None:
    project, comfy = PROJECT["project"], PROJECT["tool"]["comfy"]

    assert re.fullmatch(r"[A-Za-z](?:[-_.]?[A-Za-z0-9])*", project["name"])
    assert len(project["name"]) < 100
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["description"]
    assert comfy.keys() >= {"PublisherId", "DisplayName", "Icon", "includes"}
    assert re.fullmatch(r">=\d+\.\d+\.\d+", comfy["requires-comfyui"])


def test_nothing_in_it_brings_packages_into_the_environment_of_comfyui() -> None:
    """ComfyUI-Manager and comfy-cli install what requirements.txt lists, and run install.py.

    The registry takes `project.dependencies`, if they are written there. `comfy --fast-deps` takes
    the first of requirements.txt, pyproject.toml, setup.cfg and setup.py that is there, whatever
    it says: without the first it would install what setup.py lists.
    """
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line.strip() and not line.startswith("#")] == []
    assert not (ROOT / "install.py").exists()
    assert not (ROOT / "comfy_node" / "requirements.txt").exists()
    assert not PROJECT["project"].keys() & {"dependencies", "optional-dependencies"}
    assert {"dependencies", "optional-dependencies"} <= set(PROJECT["project"]["dynamic"])
    assert "psycopg2" in (ROOT / "setup.py").read_text(encoding="utf-8")


def test_the_registry_gets_the_pack_without_the_service() -> None:
    lines = (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    left_out = {line.strip("/") for line in lines if not line.startswith("#")}

    assert all((ROOT / name).exists() for name in left_out)
    assert left_out >= {"reconciler", "tests", "setup.py"}
    pack = {"__init__.py", "comfy_node", "example_workflows", "pyproject.toml", "requirements.txt"}
    assert not pack & left_out
