"""Findings as people see them: 80 columns, no colours unless wanted, nothing hostile."""

import io
import textwrap

import pytest
from rich.console import Console

from reconciler.cli.doctor import as_text
from reconciler.doctor.finding import Finding, Level, failed, ok, warning


def shown(finding: Finding, width: int = 80) -> list[str]:
    return as_text(finding, width).plain.splitlines()


def test_level_first_then_what_then_detail() -> None:
    assert shown(ok("database", "PostgreSQL 18.4")) == ["ok       database: PostgreSQL 18.4"]


def test_advice_has_a_line_of_its_own() -> None:
    lines = shown(failed("database", "refused", "start it"))
    assert lines == ["failed   database: refused", "         what to do: start it"]


def test_long_words_are_wrapped_and_indented() -> None:
    lines = shown(warning("output", "many words " * 30, "and more of them " * 20))
    assert len(lines) > 8
    assert max(map(len, lines)) <= 80
    assert all(line.startswith(" " * 9) for line in lines[1:])


def test_a_path_or_command_stays_whole() -> None:
    path = "/srv/" + "very-long-" * 12 + "folder"
    assert path in "\n".join(shown(ok("output", f"in {path} all is well")))


def test_a_narrow_terminal_is_no_reason_to_fail() -> None:
    assert textwrap.dedent("\n".join(shown(ok("a", "b c d"), width=1)))


HOSTILE = "\x1b[2J\x1b[H\r\nok       database: all is well\n[bold]\x9b31m\u202e"


@pytest.mark.parametrize("level", list(Level))
def test_outside_text_can_neither_move_the_cursor_nor_fake_a_line(level: Level) -> None:
    lines = shown(Finding(level, HOSTILE, HOSTILE, HOSTILE))
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if not line.startswith(" ")] == lines[:1]
    assert lines[0].startswith(level.value)
    assert "[bold]" in "\n".join(lines)


def test_endless_text_is_cut() -> None:
    assert len("".join(shown(ok("x", "y" * 100_000)))) < 5000


@pytest.mark.parametrize(("variable", "coloured"), [(None, True), ("1", False)])
def test_colours_follow_no_color(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if variable:
        monkeypatch.setenv("NO_COLOR", variable)
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    console.print(as_text(failed("database", "refused", "start it"), 80))
    assert ("\x1b[1;31m" in stream.getvalue()) is coloured
