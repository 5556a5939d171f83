"""A console that interprets nothing and leaves quietly when its reader has gone."""

from __future__ import annotations

import os

from rich.console import Console

#: What a shell sees of a program that wrote to a closed pipe: 128 + SIGPIPE.
BROKEN_PIPE_EXIT = 141


class Stream(Console):
    """Texts are what they say: no markup, no emoji names, no numbers made colourful."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, highlight=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """`reconciler status | head -1` is no error."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        raise SystemExit(BROKEN_PIPE_EXIT)
