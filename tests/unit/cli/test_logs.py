"""One form for all log lines, whoever writes them."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable

import pytest
import structlog

from reconciler.cli import complaints, logs
from reconciler.errors import DatabaseError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was written on stderr since the last call."""
    return lambda: capsys.readouterr().err


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_for_our_lines_and_those_of_libraries(stderr: Callable[[], str]) -> None:
    logs.set_up("info")
    structlog.get_logger("reconciler.x").info("row set", job="7", odd="\x1b[31m\udc80")
    logging.getLogger("urllib3").warning("retrying %s", "http://gpu")
    structlog.get_logger("reconciler.x").debug("not asked for")
    text = stderr()
    ours, theirs = lines(text)
    assert ours["event"] == "row set"
    assert ours["odd"] == "\x1b[31m\udc80"
    assert "\x1b" not in text
    assert (theirs["event"], theirs["logger"], theirs["level"]) == (
        "retrying http://gpu", "urllib3", "warning",
    )  # fmt: skip
    assert str(theirs["timestamp"]).endswith("Z")
    assert logs.is_json()


def test_a_traceback_is_part_of_its_json_line(stderr: Callable[[], str]) -> None:
    logs.set_up("info")
    try:
        raise ValueError("boom")
    except ValueError:
        structlog.get_logger("x").exception("inspection failed")
        logging.getLogger("y").exception("theirs")
    for line in lines(stderr()):
        assert "ValueError: boom" in str(line["exception"])


def test_a_console_line_is_plain(stderr: Callable[[], str]) -> None:
    logs.set_up("info", "console")
    structlog.get_logger("x").info("row set", path="/out/\x1b]0;x\x07\n.mp4", text="[red]")
    (line,) = stderr().splitlines()
    assert "\\x1b]0;x\\x07\\n.mp4" in line
    assert line.isprintable()
    assert not logs.is_json()


def test_people_are_told_which_library_speaks_and_not_which_module(
    stderr: Callable[[], str],
) -> None:
    logs.set_up("info", "console")
    structlog.get_logger("reconciler.service").info("watching")
    logging.getLogger("urllib3").warning("retrying")
    ours, theirs = stderr().splitlines()
    assert "reconciler.service" not in ours
    assert "urllib3" in theirs


def test_colours_only_on_a_terminal_that_wants_them(
    monkeypatch: pytest.MonkeyPatch, stderr: Callable[[], str]
) -> None:
    for no_color, coloured in (("1", False), ("", True)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("NO_COLOR", no_color)
        logs.set_up("info")
        structlog.get_logger("x").info("watching")
        assert ("\x1b[" in terminal.getvalue()) is coloured


def test_no_local_variable_of_a_traceback_is_shown(stderr: Callable[[], str]) -> None:
    logs.set_up("info", "console")
    try:
        password = "hunter2"  # noqa: F841 - it must not be shown
        raise ValueError("boom")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    text = stderr()
    assert "ValueError: boom" in text
    assert "hunter2" not in text


def test_warnings_are_log_lines(stderr: Callable[[], str]) -> None:
    logs.set_up("info")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    (line,) = lines(stderr())
    assert line["logger"] == "py.warnings"


def test_where_lines_are_json_the_last_error_is_one(stderr: Callable[[], str]) -> None:
    logs.set_up("info")
    complaints.complain(DatabaseError("no database\nat all"))
    complaints.complain_of_defect(KeyError("x"))
    known, defect = lines(stderr())
    assert known["error"] == "no database\nat all"
    assert "exception" not in known
    assert "KeyError" in str(defect["exception"])


def test_debug_adds_the_traceback(stderr: Callable[[], str]) -> None:
    logs.set_up("debug", "json")
    complaints.complain(DatabaseError("no database"))
    assert "DatabaseError" in str(lines(stderr())[0]["exception"])
