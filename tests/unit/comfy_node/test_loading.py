"""The pack loads as ComfyUI loads it, and does nothing anywhere else."""

from __future__ import annotations

import ast
import importlib.util
import logging
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .conftest import FakePromptServer, pretend_server

ROOT = Path(__file__).parents[3]
PACK = ROOT / "comfy_node"


def load_as_comfyui_does(folder: Path) -> ModuleType:
    """Both versions name the module after its path, with dots spelt otherwise."""
    name = str(folder).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def custom_nodes(tmp_path: Path) -> Any:
    """An empty folder custom_nodes; what was loaded from it is forgotten afterwards."""
    folder = tmp_path / "custom_nodes"
    folder.mkdir()
    yield folder
    for name in [name for name in sys.modules if name.startswith(str(tmp_path))]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "name"),
    [(PACK, "comfy_node"), (ROOT, "comfyui-reconciler"), (ROOT, "reconciler.v0.1")],
    ids=["link of the pack", "clone of the repository", "clone with dots in its name"],
)
def test_a_link_and_a_clone_load_the_node_and_the_prompt_handler(
    source: Path,
    name: str,
    custom_nodes: Path,
    comfyui: FakePromptServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (custom_nodes / name).symlink_to(source)

    with caplog.at_level(logging.INFO):
        module = load_as_comfyui_does(custom_nodes / name)

    assert list(module.NODE_CLASS_MAPPINGS) == ["ReconcilerTagOutput"]
    assert module.NODE_DISPLAY_NAME_MAPPINGS == {"ReconcilerTagOutput": "Tag Output with Job ID"}
    tagged = comfyui.post({"prompt": {}, "extra_data": {"job_id": 42}})
    assert tagged["extra_data"]["extra_pnginfo"]["job_id"] == "42"
    (line,) = caplog.messages
    assert "node pack loaded" in line


def test_a_comfyui_without_prompt_handlers_still_gets_the_node(
    custom_nodes: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pretend_server(monkeypatch, object())
    (custom_nodes / "comfy_node").symlink_to(PACK)

    module = load_as_comfyui_does(custom_nodes / "comfy_node")

    assert list(module.NODE_CLASS_MAPPINGS) == ["ReconcilerTagOutput"]
    (line,) = caplog.messages
    assert "prompts are not tagged" in line


def test_outside_comfyui_the_import_runs_no_foreign_server_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("print('a program of somebody else was started')\n")
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        "import comfy_node.contract\n"
        "assert 'server' not in sys.modules\n"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_root_is_inert_where_it_is_no_package() -> None:
    assert "NODE_CLASS_MAPPINGS" not in runpy.run_path(str(ROOT / "__init__.py"))


def test_the_pack_imports_only_the_standard_library_and_itself_and_parses_as_python_3_10() -> None:
    for path in PACK.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names, path
