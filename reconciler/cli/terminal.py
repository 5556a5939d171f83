"""The two streams: data on stdout, everything else on stderr; and outside text made safe."""

from __future__ import annotations

import sys
import textwrap
from functools import cache
from typing import TYPE_CHECKING

from reconciler.words.text import safe

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reconciler.cli.stream import Stream

__all__ = ["err", "out", "raw", "remark", "safe", "say", "tolerate_encodings", "warn"]


@cache
def out() -> Stream:
    """Where data goes."""
    from reconciler.cli.stream import Stream

    return Stream()


@cache
def err() -> Stream:
    """Where everything else goes."""
    from reconciler.cli.stream import Stream

    return Stream(stderr=True)


def tolerate_encodings() -> None:
    """A terminal that cannot show a character gets a question mark, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def say(words: RenderableType) -> None:
    """Data for people. In a file or a pipe no line ends in blanks."""
    console = out()
    if console.is_terminal:
        console.print(words)
        return
    with console.capture() as captured:
        console.print(words)
    raw("\n".join(line.rstrip() for line in captured.get().splitlines()))


def raw(text: str) -> None:
    """Data for programs (JSON, YAML, a URL): as it is, whatever the width."""
    out().out(text, highlight=False)


def remark(message: object) -> None:
    """A line for people that is no data."""
    from rich.text import Text

    err().print(Text(_lines(str(message)), "dim"), soft_wrap=True)


def warn(lead: str, message: object) -> None:
    """What is wrong, in one message; lines of its own stay lines."""
    from rich.text import Text

    words = Text(_lines(f"{lead}{message}"))
    words.stylize("bold red", 0, len(lead))
    err().print(words, soft_wrap=True)


def _lines(message: str) -> str:
    """Outside text, broken between words: paths and commands stay whole, to be copied."""
    shown = (safe(line) for line in message.splitlines())
    broken = (
        textwrap.wrap(line, err().width, break_long_words=False, break_on_hyphens=False)
        for line in shown
    )
    return "\n".join(line for lines in broken for line in lines)
