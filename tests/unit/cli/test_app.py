"""The root: exit codes, help, what is handed down, and that docs/cli.md tells of everything."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from reconciler.cli import app as root
from reconciler.cli import terminal
from reconciler.errors import (
    InspectionError,
    OutsideOutput,
    ReconcilerError,
    ServerTimeout,
    SettingsError,
    TableError,
)

DOCS = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, ...]]:
    for name in root._names(root.app):
        yield (name,)
    for name, group in root.GROUPS.items():
        for command in root._names(group):
            yield name, command


@pytest.fixture(autouse=True)
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.out.cache_clear()
    terminal.err.cache_clear()
    yield
    terminal.out.cache_clear()
    terminal.err.cache_clear()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["reconciler", *arguments])
    return root._run()


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Every command fails in this way."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(root, "app", fail)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_each_command_has_help_with_its_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert run(monkeypatch, *command, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: reconciler {' '.join(command)} ")
    assert "Exit codes: 0" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    options = re.findall(r"^  (?:-\w, )?(--[\w-]+)", shown, re.MULTILINE)
    section = _section(" ".join(command))
    for option in set(options) - {"--help", "--config", "--log-level"}:
        assert option in section, f"docs/cli.md does not tell of {option}"
    for code in re.findall(r"(?:: |, )(\d+) ", shown.split("Exit codes")[1]):
        assert f"`{code}`" in DOCS


def _section(command: str) -> str:
    # A heading may name several: "### `reconciler cancel`, `forget`".
    heading = rf"^### `reconciler (?:[^\n]*`, `)?{command}\b"
    found = re.search(rf"{heading}.*?(?=^##|\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section on {command}"
    return found[0]


def test_no_command_shows_the_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch) == 2
    shown = capsys.readouterr().out
    for command in commands():
        assert f"\n  {command[0]} " in shown
    assert "..." not in shown.split("Commands:")[1]


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert re.fullmatch(r"reconciler \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x"), 3),
        (TableError("x"), 3),
        (ServerTimeout("x"), 3),
        (OutsideOutput("x"), 2),
        (InspectionError("x"), 2),
        (ReconcilerError("x"), 1),
        (typer.BadParameter("x"), 2),
        (typer.Abort(), 130),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), 70),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_error_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
) -> None:
    raising(monkeypatch, error)
    assert run(monkeypatch) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert ("Traceback" in said.err) == (code == 70)
    assert bool(said.err) == (code != 130)


def test_a_message_is_plain_and_breaks_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "/a/very/long/path/" + "x" * 80
    raising(monkeypatch, SettingsError(f"[bold]\x1b[2J {'word ' * 30}{path}\n  line 2: bad"))
    run(monkeypatch)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: [bold]\\x1b[2J word")
    assert path in lines
    assert lines[-1] == "  line 2: bad"
    assert all(len(line) <= 80 for line in lines if line != path)


@pytest.mark.parametrize("before", [True, False])
def test_config_and_log_level_work_before_and_after_the_command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    before: bool,
) -> None:
    missing = tmp_path / "none.yaml"
    given = ["--config", str(missing), "--log-level", "error"]
    for command in (["status"], ["config", "show"], ["db", "url"], ["install-service"]):
        assert (
            run(monkeypatch, *given, *command) == 3
            if before
            else run(monkeypatch, *command, *given) == 3
        )
        assert str(missing) in capsys.readouterr().err.replace("\n", "")
