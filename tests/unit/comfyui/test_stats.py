"""What a server says about itself."""

import pytest
from hypothesis import given

from reconciler.comfyui.fields import Misshapen
from reconciler.comfyui.stats import server_info
from reconciler.comfyui.values import Device, ServerInfo
from tests.unit.comfyui.recorded import NEW, OLD, recorded
from tests.unit.comfyui.test_history import JSON


@pytest.mark.parametrize(
    ("version", "os_name", "vram_free_bytes"),
    [(OLD, "posix", 23308431360), (NEW, "linux", 23308296192)],
)
def test_both_versions_name_their_output_directory(
    version: str, os_name: str, vram_free_bytes: int
) -> None:
    info = server_info(recorded(version, "system_stats"))
    assert (info.version, info.output_dir, info.os) == (version, "/comfyui/output", os_name)
    assert info.argv[:2] == ("main.py", "--cpu")
    assert info.pytorch_version == "2.13.0+cpu"
    assert info.python_version is not None and info.python_version.startswith("3.11.7")
    assert info.devices == (Device("cpu", "cpu", 25276502016, vram_free_bytes),)


@pytest.mark.parametrize(
    ("argv", "os_name", "output_dir"),
    [
        (None, "posix", None),
        (["main.py"], "posix", None),
        (["main.py", "--output-directory=/o"], "posix", "/o"),
        (["main.py", "--output-directory", "/a", "--output-directory", "/b"], "linux", "/b"),
        (["main.py", "--base-directory", "/data/"], "linux", "/data/output"),
        (["main.py", "--base-directory", "C:\\comfy"], "win32", "C:\\comfy\\output"),
        (["main.py", "--base-directory", "/d", "--output-directory", "/o"], "linux", "/o"),
        (["main.py", "--output-directory"], "linux", None),
    ],
)
def test_where_it_writes(argv: list[str] | None, os_name: str, output_dir: str | None) -> None:
    answer = {"system": {"argv": argv, "os": os_name}}
    assert server_info(answer).output_dir == output_dir


def test_the_rest_may_be_missing_or_strange() -> None:
    assert server_info({"system": {}, "devices": [None]}) == ServerInfo(
        devices=(Device("unknown", "unknown"),)
    )
    with pytest.raises(Misshapen, match="system"):
        server_info({"devices": []})


@given(JSON)
def test_any_json_gives_a_value_or_misshapen(odd: object) -> None:
    for answer in (odd, {"system": odd, "devices": odd}, {"system": {"argv": odd, "os": odd}}):
        try:
            assert isinstance(server_info(answer), ServerInfo)
        except Misshapen:
            continue
