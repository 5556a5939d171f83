"""Units that systemd itself accepts, and how they are written."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli import install
from reconciler.cli.install import install_service
from reconciler.cli.service_unit import quoted
from reconciler.errors import ReconcilerError
from tests.integration.commands import environment, reconciler

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "config/examples"
#: What a person may let a service do and what not, from 0 (nothing) to 10.
HIGHEST_EXPOSURE = 2.0
NOBODY = pwd.getpwuid(65534).pw_name

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="there is no systemd-analyze on this machine, so nobody can say whether systemd"
    " would accept the unit",
)


def analyze(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        env={**os.environ, "SYSTEMD_COLORS": "0", **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def verified(path: Path, *, user: bool = False) -> str:
    """What systemd complains of. It exits with 0 for a misspelt setting: its words count."""
    whose = ["--user"] if user else []
    runtime = {"XDG_RUNTIME_DIR": str(path.parent)} if user else {}
    done = analyze(*whose, "verify", path, **runtime)
    return f"{done.returncode}: {done.stderr}{done.stdout}"


def write_settings(folder: Path, *output_dirs: Path | str, **more: Any) -> Path:
    servers = [
        {"name": f"gpu{n}", "url": f"http://127.0.0.1:{8187 + n}", "output_dir": str(path)}
        for n, path in enumerate(output_dirs or ("/srv/comfy/output",), start=1)
    ]
    path = folder / "reconciler.yaml"
    path.write_text(yaml.safe_dump({"servers": servers, **more}), encoding="utf-8")
    return path


def printed(config: Path, *arguments: str, **more: str) -> str:
    done = reconciler("install-service", "--print", "--config", config, *arguments, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def settings_of(unit: str) -> dict[str, list[str]]:
    """Setting → its values, in a unit's text."""
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


# The unit


@needs_systemd
def test_systemd_accepts_the_unit_and_finds_little_to_expose(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.service"
    path.write_text(printed(write_settings(tmp_path)))
    assert verified(path) == "0: "
    score = analyze("security", "--offline=true", path).stdout
    exposure = re.search(r"Overall exposure level for reconciler.service: ([\d.]+)", score)
    assert exposure is not None, score
    assert float(exposure[1]) <= HIGHEST_EXPOSURE


@needs_systemd
def test_systemd_accepts_the_unit_of_a_user(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.service"
    path.write_text(printed(write_settings(tmp_path), "--user"))
    assert verified(path, user=True) == "0: "


@needs_systemd
def test_systemd_would_complain_of_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.service"
    path.write_text(printed(write_settings(tmp_path)).replace("PrivateDevices", "PrivatDevices"))
    assert "Unknown key" in verified(path)


@needs_systemd
def test_strange_paths_arrive_whole(tmp_path: Path) -> None:
    folder = tmp_path / """it's 100% "odd" $HOME \\ ; here"""
    folder.mkdir()
    config = write_settings(folder, folder / "out put", data_dir=str(folder / "data"))
    text = printed(config)
    path = tmp_path / "reconciler.service"
    path.write_text(text)
    assert verified(path) == "0: "
    # What systemd makes of it, told by what it complains of when it is not there.
    gone = path.with_name("gone.service")
    gone.write_text(re.sub("ExecStart=[^ ]+", f"ExecStart={quoted(folder / 'python')}", text))
    assert str(folder / "python") in verified(gone)


def test_the_service_is_started_as_this_very_reconciler(tmp_path: Path) -> None:
    config = write_settings(tmp_path)
    (command,) = settings_of(printed(config))["ExecStart"]
    python, *rest = command.split()
    assert Path(python).parent == Path(sys.executable).parent
    assert rest == (
        f"-P -m reconciler run --config {config} --data-dir /var/lib/reconciler".split()
    )
    done = subprocess.run(
        [python, *rest[:3], "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.startswith("reconciler ")


def test_a_folder_named_reconciler_is_not_mistaken_for_the_package(tmp_path: Path) -> None:
    (tmp_path / "reconciler").mkdir()
    (tmp_path / "reconciler" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    (command,) = settings_of(printed(write_settings(tmp_path), "--user"))["ExecStart"]
    words = [*command.split()[:4], "--version"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)


def test_watched_by_systemd(tmp_path: Path) -> None:
    found = settings_of(printed(write_settings(tmp_path)))
    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    assert found["WatchdogSec"] == ["5min"]
    assert found["Restart"] == ["on-failure"]
    assert found["WantedBy"] == ["multi-user.target"]


def test_postgres_of_ones_own_ends_with_the_service_and_the_embedded_does_not(
    tmp_path: Path,
) -> None:
    assert settings_of(printed(write_settings(tmp_path)))["KillMode"] == ["process"]
    config = write_settings(tmp_path, database={"url": "postgresql://app:hidden@db/jobs"})
    text = printed(config)
    assert settings_of(text)["KillMode"] == ["mixed"]
    assert "hidden" not in text  # secrets stay in the settings file


def test_a_user_service_asks_for_nothing_that_needs_privileges(tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = settings_of(
        printed(write_settings(tmp_path), "--user", HOME=str(home), XDG_DATA_HOME="")
    )
    assert found["WantedBy"] == ["default.target"]
    assert "NoNewPrivileges" in found
    mounts = {name for name in found if re.match("Protect|Private|ReadOnly|ReadWrite|State", name)}
    assert mounts | found.keys() & {"User", "CapabilityBoundingSet"} == set()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--config", "/dev/null"], 3, "lists no servers"),
        (["--config", "/nonexistent.yaml"], 3, "cannot be read"),
        (["--name", "../evil"], 2, "--name should be made of letters"),
        (["--enable", "--print"], 2, "--print changes nothing"),
    ],
)
def test_refusals(arguments: list[str], code: int, words: str) -> None:
    done = reconciler("install-service", "--print", *arguments)
    assert done.returncode == code
    assert words in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_without_a_settings_file_there_is_nothing_to_run(tmp_path: Path) -> None:
    kept = {k: v for k, v in environment().items() if k != "RECONCILER_CONFIG"}
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "install-service", "--print"],
        env={**kept, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "name it with --config" in " ".join(done.stderr.split())


def test_variables_of_this_shell_are_not_the_services(tmp_path: Path) -> None:
    config = write_settings(tmp_path)
    done = reconciler(
        *("install-service", "--print", "--config", config),
        RECONCILER_DATABASE__URL="postgresql://app:hidden@db/jobs",
    )
    assert settings_of(done.stdout)["KillMode"] == ["process"]
    assert "RECONCILER_DATABASE__URL" in done.stderr
    assert "hidden" not in done.stderr + done.stdout
    (variables,) = settings_of(done.stdout)["EnvironmentFile"]
    assert variables == f"-{tmp_path}/reconciler.env"


# Writing it


@pytest.fixture
def fake_systemctl(tmp_path: Path) -> Path:
    """A systemctl that notes what it was called with, on a PATH of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "systemctl.log"
    script = folder / "systemctl"
    script.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    script.chmod(0o755)
    return log


def install_for_user(config: Path, *arguments: str, home: Path, **more: str) -> Any:
    given = ("--user", "--config", config, "--data-dir", home / "data/reconciler")
    return reconciler("install-service", *given, *arguments, XDG_CONFIG_HOME=str(home), **more)


def test_a_unit_is_written_once(tmp_path: Path) -> None:
    config, home = write_settings(tmp_path), tmp_path / "home"
    done = install_for_user(config, home=home)
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert path == home / "systemd/user/reconciler.service"
    assert "systemctl --user daemon-reload" in " ".join(done.stderr.split())
    assert "enable-linger" in done.stderr
    data_dir = home / "data/reconciler"
    assert data_dir.stat().st_mode & 0o777 == 0o700

    path.write_text("changed by hand")
    again = install_for_user(config, home=home)
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert path.read_text() == "changed by hand"
    assert install_for_user(config, "--force", home=home).returncode == 0
    assert "ExecStart" in path.read_text()
    other = install_for_user(config, "--name", "gpu-farm.service", home=home)
    assert other.stdout.strip().endswith("systemd/user/gpu-farm.service")


def test_enable_calls_systemctl(tmp_path: Path, fake_systemctl: Path) -> None:
    path = f"{fake_systemctl.parent / 'bin'}:{os.environ['PATH']}"
    config, home = write_settings(tmp_path), tmp_path / "home"
    done = install_for_user(config, "--enable", home=home, PATH=path)
    assert done.returncode == 0, done.stderr
    assert fake_systemctl.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable --now reconciler.service",
    ]
    assert "Start it" not in done.stderr


def test_a_systemctl_that_fails_is_quoted(tmp_path: Path, fake_systemctl: Path) -> None:
    script = fake_systemctl.parent / "bin" / "systemctl"
    script.write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n")
    path = f"{script.parent}:{os.environ['PATH']}"
    config = write_settings(tmp_path)
    done = install_for_user(config, "--enable", home=tmp_path / "home", PATH=path)
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "`systemctl --user daemon-reload` failed: Failed to connect to bus" in said
    assert "journalctl --user -u reconciler" in said


def test_no_systemctl_at_all(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    config = write_settings(tmp_path)
    done = install_for_user(config, "--enable", home=tmp_path / "home", PATH=str(tmp_path / "bin"))
    assert done.returncode == 1
    assert "No such file or directory: 'systemctl'" in " ".join(done.stderr.split())


@pytest.fixture
def system_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Instead of /etc/systemd/system."""
    monkeypatch.setattr(install, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr("reconciler.cli.logs.set_up", lambda *_: None)  # it is the whole process's
    for variable in [name for name in os.environ if name.startswith("RECONCILER_")]:
        monkeypatch.delenv(variable)
    return tmp_path / "system"


def test_a_system_service_has_an_account_of_its_own(
    tmp_path: Path, system_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_settings(tmp_path, data_dir=str(tmp_path / "data"))
    if os.geteuid() != 0:
        with pytest.raises(ReconcilerError):
            install_service(config=config, account="no-such-account")
        return
    install_service(config=config, account=NOBODY)
    text = (system_folder / "reconciler.service").read_text()
    assert settings_of(text)["User"] == [NOBODY]
    assert settings_of(text)["ReadWritePaths"] == [str(tmp_path / "data")]
    assert (tmp_path / "data").stat().st_uid == 65534
    assert f"sudo -u {NOBODY}" in " ".join(capfd.readouterr().err.split())


@pytest.mark.parametrize(
    ("account", "words"),
    [("no-such-account", "useradd --system"), ("root", "does not run as root")],
)
def test_accounts_that_will_not_do(
    tmp_path: Path, system_folder: Path, account: str, words: str
) -> None:
    with pytest.raises(ReconcilerError, match=words):
        install_service(config=write_settings(tmp_path), account=account)
    assert not system_folder.exists()


def test_a_folder_that_may_not_be_written(tmp_path: Path, system_folder: Path) -> None:
    system_folder.write_text("a file where a folder should be")
    with pytest.raises(ReconcilerError, match="system"):
        install_service(config=write_settings(tmp_path), account=NOBODY)
