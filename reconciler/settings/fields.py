"""The kinds of values that settings are made of, and the base of every section."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, model_validator

#: No wait is longer: the waits of the standard library overflow far beyond it.
YEAR_S = 366 * 86_400


def _no_switch(value: Any) -> Any:
    # YAML reads `yes` and `off` as true and false, which pydantic would take for 1 and 0.
    if isinstance(value, bool):
        raise ValueError(f"should be a number, not {str(value).lower()}")
    return value


def _folder(value: Any) -> Any:
    """Make a path absolute, `~` expanded. An empty one is refused: it would mean "here"."""
    if not isinstance(value, str | Path):
        return value
    if not str(value) or "\0" in str(value):
        raise ValueError("should be a path, not an empty text or one with a NUL in it")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise ValueError("starts with ~ of a user whose home is unknown here") from None


#: No name of a server or an agent is longer.
MAX_NAME_LENGTH = 100


def short_line(name: str) -> str:
    """A name that stands in rows, logs and tables. Raises ValueError."""
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise ValueError(
            f"should be one line of at most {MAX_NAME_LENGTH} characters, no spaces around it"
        )
    return name


#: No switch: for numbers of any range.
Number = BeforeValidator(_no_switch)

#: Longer than zero.
Seconds = Annotated[float, Number, Field(gt=0, le=YEAR_S, allow_inf_nan=False)]
#: Zero switches the delay off.
SecondsOrZero = Annotated[float, Number, Field(ge=0, le=YEAR_S, allow_inf_nan=False)]
Count = Annotated[int, Number, Field(ge=1, le=1_000_000)]
CountOrZero = Annotated[int, Number, Field(ge=0, le=1_000_000)]
#: A whole number of bytes, or text such as "64 MiB".
Bytes = Annotated[ByteSize, Number, Field(ge=1024, le=2**50)]
Folder = Annotated[Path, BeforeValidator(_folder)]


class Section(BaseModel):
    """Base of the sections: immutable, no unknown keys, and an empty section is its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, data: Any) -> Any:
        # What is left of a section whose keys are all commented out is null.
        return {} if data is None else data
