"""A stand-in for the part of ComfyUI that the pack touches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from comfy_node import guard

Handler = Callable[[Any], Any]


class FakePromptServer:
    """Keeps prompt handlers and passes a body through them, as POST /prompt does."""

    def __init__(self) -> None:
        self.handlers: list[Handler] = []

    def add_on_prompt_handler(self, handler: Handler) -> None:
        self.handlers.append(handler)

    def post(self, body: Any) -> Any:
        for handler in self.handlers:
            body = handler(body)
        return body


@pytest.fixture
def comfyui(monkeypatch: pytest.MonkeyPatch) -> FakePromptServer:
    """The module `server` as ComfyUI has loaded it by the time its custom nodes come."""
    instance = FakePromptServer()
    pretend_server(monkeypatch, instance)
    return instance


def pretend_server(monkeypatch: pytest.MonkeyPatch, instance: object) -> None:
    """Puts a module `server` with this PromptServer.instance where an import would find it."""
    module = ModuleType("server")
    module.PromptServer = SimpleNamespace(instance=instance)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "server", module)


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged once per process is logged once per test."""
    monkeypatch.setattr(guard, "_told", set())
