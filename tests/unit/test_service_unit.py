"""The text of a unit: what is confined, what is needed, what cannot be named."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.install import groups_of
from reconciler.cli.service_unit import Unit
from reconciler.errors import SettingsError

EXAMPLE = Path(__file__).parents[2] / "config/examples/reconciler.service"


def settings_of(unit: str) -> dict[str, list[str]]:
    """Setting → its values, in a unit's text."""
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def unit(**changes: Any) -> Unit:
    usual: dict[str, Any] = {
        "name": "reconciler",
        "python": Path("/opt/reconciler/bin/python"),
        "config": Path("/etc/reconciler/reconciler.yaml"),
        "data_dir": Path("/var/lib/reconciler"),
        "output_dirs": (Path("/srv/comfy/output"),),
        "embedded": True,
        "account": "reconciler",
    }
    return Unit(**{**usual, **changes})


def test_confined() -> None:
    found = settings_of(unit(data_dir=Path("/data/reconciler")).text())
    assert found["ProtectSystem"] == ["strict"]
    assert found["ReadWritePaths"] == ["/data/reconciler"]
    assert found["ReadOnlyPaths"] == ["-/srv/comfy/output"]
    for setting in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome"):
        assert found[setting] == ["yes"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["User"] == ["reconciler"]


def test_systemd_makes_the_usual_data_directory() -> None:
    found = settings_of(unit(data_dir=Path("/var/lib/comfy jobs")).text())
    assert found["StateDirectory"] == ['"comfy jobs"']
    assert "ReadWritePaths" not in found


@pytest.mark.parametrize("place", ["config", "python", "data_dir"])
@pytest.mark.parametrize(
    ("folder", "home", "tmp"),
    [("/home/alice/x", "read-only", "yes"), ("/tmp/x", "yes", None), ("/srv/x", "yes", "yes")],
)
def test_what_is_needed_is_not_hidden(place: str, folder: str, home: str, tmp: str | None) -> None:
    found = settings_of(unit(**{place: Path(folder)}).text())
    assert found["ProtectHome"] == [home]
    assert found.get("PrivateTmp") == (None if tmp is None else [tmp])


def test_links_into_a_home_are_followed(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to("/root/python")
    found = settings_of(unit(python=tmp_path / "python").text())
    assert found["ProtectHome"] == ["read-only"]


def test_groups_of_directories_that_are_not_open_to_all(tmp_path: Path) -> None:
    closed, open_one = tmp_path / "closed", tmp_path / "open"
    closed.mkdir(mode=0o750)
    open_one.mkdir(mode=0o755)
    if os.geteuid() == 0:
        os.chown(closed, 0, pwd.getpwuid(65534).pw_gid)
    groups = groups_of([closed, open_one, tmp_path / "missing", closed])
    assert len(groups) == 1
    found = settings_of(unit(groups=groups).text())
    assert found["SupplementaryGroups"] == [groups[0]]


def test_a_path_that_no_unit_can_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="rename it"):
        unit(config=Path("/etc/a\nExecStartPre=evil")).text()


def test_the_example_unit_is_what_would_be_written() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == unit().text()
