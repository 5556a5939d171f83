"""The pack loads as ComfyUI loads it, and does nothing anywhere else."""

from __future__ import annotations

import ast
import glob
import importlib.util
import logging
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from comfy_node.contract import EXPECT_NODE, PACK_VERSION, PREFIX_NODE, TAG_NODE

from .conftest import FakePromptServer, pretend_server

ROOT = Path(__file__).parents[3]
PACK = ROOT / "comfy_node"
NODES = {TAG_NODE, PREFIX_NODE, EXPECT_NODE}


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
def test_a_link_and_a_clone_load_nodes_help_pages_and_hooks(
    source: Path,
    name: str,
    custom_nodes: Path,
    comfyui: FakePromptServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (custom_nodes / name).symlink_to(source)

    with caplog.at_level(logging.INFO):
        module = load_as_comfyui_does(custom_nodes / name)

    assert set(module.NODE_CLASS_MAPPINGS) == NODES
    assert set(module.NODE_DISPLAY_NAME_MAPPINGS) == NODES
    pages = (custom_nodes / name / module.WEB_DIRECTORY / "docs").glob("*.md")
    assert {page.stem for page in pages} == NODES
    tagged = comfyui.post({"prompt": {}, "extra_data": {"job_id": 42}})
    assert tagged["extra_data"]["extra_pnginfo"]["job_id"] == "42"
    (line,) = caplog.messages
    assert line.startswith(f"reconciler: node pack {PACK_VERSION} loaded")


@pytest.mark.parametrize("source", [PACK, ROOT], ids=["link", "clone"])
def test_comfyui_finds_each_workflow_once_among_its_templates(
    source: Path, custom_nodes: Path
) -> None:
    (custom_nodes / "reconciler").symlink_to(source)

    # The very pattern: a folder deeper, as api/ is, it does not look.
    found = glob.glob(str(custom_nodes / "*/example_workflows/*.json"))

    assert sorted(Path(path).name for path in found) == ["counted_video.json", "tagged_image.json"]


def test_a_comfyui_without_any_hook_still_gets_the_nodes(
    custom_nodes: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pretend_server(monkeypatch, object())
    (custom_nodes / "comfy_node").symlink_to(PACK)

    module = load_as_comfyui_does(custom_nodes / "comfy_node")

    assert set(module.NODE_CLASS_MAPPINGS) == NODES
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


def test_the_pack_imports_only_the_standard_library_itself_and_what_comfyui_has() -> None:
    for path in PACK.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            allowed = sys.stdlib_module_names | {"aiohttp"}
            assert {name.split(".")[0] for name in names} <= allowed, path


def vermin(path: Path) -> subprocess.CompletedProcess[str]:
    """Which Python a program needs, by its syntax and by every name of the standard library."""
    program = Path(sys.executable).with_name("vermin")
    return subprocess.run(
        [program, "--target=3.10-", "--eval-annotations", "--violations", path],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_pack_needs_no_python_newer_than_3_10(tmp_path: Path) -> None:
    newer = tmp_path / "newer.py"
    newer.write_text("import hashlib\nhashlib.file_digest(open('a', 'rb'), 'sha256')\n")
    assert "'hashlib.file_digest' member requires" in vermin(newer).stdout

    done = vermin(PACK)

    assert done.returncode == 0, done.stdout
