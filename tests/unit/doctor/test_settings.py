"""What doctor says of the settings alone."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.doctor.finding import Level
from reconciler.doctor.settings import check_settings, check_stall, settings_problems
from reconciler.errors import SettingsError
from reconciler.settings import Settings, load


def settings(**flags: Any) -> Settings:
    return load(config=Path("/dev/null"), flags=flags, environ={"HOME": "/home/someone"})


def server(**more: Any) -> dict[str, Any]:
    return {"name": "gpu1", "url": "http://127.0.0.1:8188", **more}


def test_the_source_is_named() -> None:
    (finding,) = check_settings(settings(servers=[server(output_dir="/srv/out")]))
    assert finding.level is Level.OK
    assert finding.detail == "1 server, from flags servers; file /dev/null"


def test_without_a_server_there_is_nothing_to_do() -> None:
    _, finding = check_settings(settings())
    assert finding.level is Level.FAILED
    assert "--server URL --output-dir DIR" in finding.advice


def test_a_server_without_output_directory_fails() -> None:
    whole = server(name="gpu2", url="http://gpu2:8188", output_dir="/srv/out")
    said, finding = check_settings(settings(servers=[server(), whole]))
    assert said.detail.startswith("2 servers")
    assert finding.level is Level.FAILED
    assert "gpu1 has no output_dir" in finding.detail
    assert finding.advice.startswith("set output_dir to ComfyUI's output directory")


def test_each_problem_of_unreadable_settings_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_text("stal: {}\nwatch:\n  observer: poling\n")
    with pytest.raises(SettingsError) as caught:
        load(config=path, environ={})
    first, second = settings_problems(caught.value)
    assert first.detail.startswith(f"{path}, line 1: stal: there is no such setting")
    assert second.detail.startswith(f"{path}, line 3: watch.observer: ")
    assert {each.level for each in (first, second)} == {Level.FAILED}
    assert "config/reconciler.yaml" in second.advice


def test_one_problem_alone_has_no_headline() -> None:
    (finding,) = settings_problems(SettingsError("/x.yaml: cannot be read"))
    assert finding.detail == "/x.yaml: cannot be read"


def test_what_a_hang_is_known_by() -> None:
    changed = settings(stall={"no_progress_s": 600, "budget": {"base_s": 60, "per_frame_s": 20}})
    (finding,) = check_stall(changed)
    assert finding.level is Level.OK
    assert "with the node pack in ComfyUI, or submitted without client_id" in finding.detail
    assert "counts as stalled after 600 s of silence" in finding.detail
    assert "one of another client without the pack shows us no progress" in finding.detail
    assert "60 s + 20 s per frame" in finding.detail


def test_rules_that_say_otherwise_are_counted() -> None:
    rule = {"match": {"stage": "loading"}, "no_progress_s": 3600}
    (finding,) = check_stall(settings(stall={"rules": [rule]}))
    assert finding.detail.endswith("; 1 rule in stall.rules may say otherwise")


def test_without_a_websocket_the_pack_alone_tells() -> None:
    (finding,) = check_stall(settings(comfyui={"socket": False}))
    assert "with the node pack in ComfyUI (comfyui.socket is off), a prompt" in finding.detail
    assert "client_id" not in finding.detail
