"""ffmpeg that is missing, broken or slow, and the sample that proves that inspection works."""

from pathlib import Path

import pytest

from reconciler.doctor import machine
from reconciler.doctor.finding import Level
from reconciler.doctor.machine import check_ffmpeg, check_inspection, check_machine, confinement
from reconciler.errors import InspectionError
from reconciler.outputs.limits import Limits
from reconciler.outputs.sandbox import Sandbox


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_versions_and_user_are_told() -> None:
    first, second = check_machine()
    assert "Python 3." in first.detail
    assert "as user " in first.detail
    assert "psycopg2-binary 2." in second.detail


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PACKAGES", ("watchdog", "no-such-package"))
    _, there, missing = check_machine()
    assert there.detail.startswith("watchdog ")
    assert missing.level is Level.WARNING
    assert "no-such-package" in missing.detail
    assert "pip install" in missing.advice


def test_a_user_without_an_account_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "geteuid", lambda: 4_000_000)
    first, _ = check_machine()
    assert first.detail.endswith("as user 4000000")


def test_the_real_ffmpeg_runs() -> None:
    (finding,) = check_ffmpeg()
    assert finding.level is Level.OK
    assert finding.detail.startswith("ffmpeg version ")


def test_no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise InspectionError("no ffmpeg")

    monkeypatch.setattr(machine, "ffmpeg", none)
    (finding,) = check_ffmpeg()
    assert finding.level is Level.FAILED
    assert "imageio-ffmpeg" in finding.advice
    assert "IMAGEIO_FFMPEG_EXE" in finding.advice


@pytest.mark.parametrize(
    ("script", "said"),
    [("exit 3", "exit status 3"), ("exec sleep 60", "timed out"), (None, "Permission denied")],
)
def test_ffmpeg_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, said: str
) -> None:
    executable = program(tmp_path / "ffmpeg", script or "")
    if script is None:
        Path(executable).chmod(0o644)
    monkeypatch.setattr(machine, "ffmpeg", lambda: executable)
    monkeypatch.setattr(machine, "_FFMPEG_S", 0.3)
    (finding,) = check_ffmpeg()
    assert finding.level is Level.FAILED
    assert said in finding.detail
    assert "pip install" in finding.advice


def test_ffmpeg_that_says_anything_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = program(tmp_path / "ffmpeg", "head -c 100000 /dev/zero | tr '\\0' x")
    monkeypatch.setattr(machine, "ffmpeg", lambda: executable)
    (finding,) = check_ffmpeg()
    assert len(finding.detail) < 300


def test_a_sample_is_inspected() -> None:
    finding, sandbox = check_inspection(Limits())
    assert (finding.level, finding.advice) == (Level.OK, "")
    assert sandbox.what == "sandbox"
    assert "nice " in sandbox.detail


def test_a_sandbox_without_gaps_is_told() -> None:
    finding = confinement(Sandbox(("network denied", "files denied"), ()))
    assert finding.level is Level.OK
    assert finding.detail == "files are decoded with network denied; files denied"


def test_what_a_kernel_refuses_is_a_warning() -> None:
    finding = confinement(Sandbox(("network denied",), ("files denied (no landlock)",)))
    assert finding.level is Level.WARNING
    assert finding.detail.startswith("missing here: files denied (no landlock). Files are decoded")
    assert "landlock_*" in finding.advice


def test_limits_that_no_inspection_fits_in() -> None:
    finding, _ = check_inspection(Limits(memory_bytes=8 * 2**20))
    assert finding.level is Level.FAILED
    assert "inspection.memory_limit_bytes" in finding.advice
    assert "pidfd_open" in finding.advice


def test_a_sound_sample_that_is_called_unsound(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = machine._draw

    def half(path: Path) -> None:
        draw(path)
        path.write_bytes(path.read_bytes()[:-200])

    monkeypatch.setattr(machine, "_draw", half)
    finding, _ = check_inspection(Limits())
    assert finding.level is Level.FAILED
    assert "a sound sample is called unsound" in finding.detail


def test_without_a_temporary_folder_it_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**_: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(machine.tempfile, "TemporaryDirectory", none)
    (finding,) = check_inspection(Limits())
    assert finding.level is Level.WARNING
    assert "TMPDIR" in finding.advice


def test_other_systems_cannot_inspect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    (finding,) = check_inspection(Limits())
    assert finding.level is Level.FAILED
    assert "docs/install.md" in finding.advice
