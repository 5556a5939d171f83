"""What all answers have in common."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from reconciler.store.clean import clean_json

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Item = TypeVar("Item", bound=BaseModel)


class Shape(BaseModel):
    """One thing. More may be told of it in later versions."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From what `words.as_json` says, with every text fit to be sent."""
        return cls.model_validate(clean_json(values))


class PageOf(BaseModel, Generic[Item]):
    """Some of a list. It may be shorter than was asked for: the end is where `next` is null."""

    items: list[Item]
    next: str | None = Field(
        description="The `cursor` of the page that follows; null where this one is the last.",
        examples=["WyJjcmVhdGVkIGRlc2MiLDAsIjIwMjYtMTEtMzAgMjI6MDQ6MDUrMDAiLCI0MSJd"],
    )


def example(**values: Any) -> ConfigDict:
    """The settings of a shape with an example in its schema."""
    return ConfigDict(extra="allow", json_schema_extra={"examples": [values]})
