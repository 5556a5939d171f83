"""The page, the REST interface and the streams. Units are in the names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconciler.settings.fields import Number, Section


class WebSettings(Section):
    """Where the service can be looked at."""

    enabled: bool = True
    #: The address that is listened on. Another than loopback needs tokens.
    host: str = "127.0.0.1"
    #: 0 = any free one. One that is taken: the next free one.
    port: Annotated[int, Number, Field(ge=0, le=65_535)] = 8328
