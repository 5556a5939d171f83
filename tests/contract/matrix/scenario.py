"""What a scenario is: what happens, and what the row must say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.contract.matrix.stage import Stage


@dataclass(frozen=True, slots=True)
class Sent:
    """A job that was sent to ComfyUI."""

    job_id: str
    prompt_id: str
    #: When its prompt ended, seconds since the epoch, where history does not tell.
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Says:
    """What the row says in the end."""

    status: str
    #: The failure code.
    code: str | None = None
    #: What stands in the error, or for other rows in the reason of the last decision.
    words: tuple[str, ...] = ()
    #: The end of `output_path`: None where the row names no file.
    output: str | None = None
    #: How many files are the job's own; None where that is not asked.
    owned: int | None = None


Play = Callable[["Stage"], Sent]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which a prompt ends."""

    name: str
    #: For the page: what happened, from the user's side.
    title: str
    play: Play
    with_pack: Says
    without: Says
    #: For the page: what to know about it.
    remark: str = ""

    def expected(self, *, pack: bool) -> Says:
        """What the row must say on such a ground."""
        return self.with_pack if pack else self.without


def lost(*words: str, owned: int | None = 0) -> Says:
    """The server forgot the prompt."""
    return Says("failed", "lost", words, owned=owned)


def completed(output: str, *words: str, owned: int = 1) -> Says:
    """A proven success."""
    return Says("completed", None, words, output, owned)


def failed(code: str, *words: str, owned: int | None = 0, output: str | None = None) -> Says:
    """A failure."""
    return Says("failed", code, words, output, owned)
