"""Where settings came from, in words for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """What `load` read. Names only, no values: safe to print."""

    #: The file that was used; None if there was none.
    file: Path | None = None
    #: Where a file was looked for, best first.
    searched: tuple[Path, ...] = ()
    #: The environment variables that set something.
    variables: tuple[str, ...] = ()
    #: The settings that flags set, dotted; whole lists count as one.
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.file:
            file = f"file {self.file}"
        else:
            file = f"no file (looked for {', '.join(map(str, self.searched)) or 'none'})"
        used = [f"flags {', '.join(self.flags)}"] if self.flags else []
        used += [f"environment {', '.join(self.variables)}"] if self.variables else []
        return "; ".join([*used, file])
