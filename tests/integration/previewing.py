"""Real files in an output directory, inspected and known, and an application that shows them."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from fastapi.testclient import TestClient

from reconciler.core.evidence import FileState
from reconciler.outputs.inspect import inspect
from reconciler.outputs.inspection import to_json
from reconciler.settings import Settings
from reconciler.settings.previews import PreviewSettings
from reconciler.settings.server import ServerSettings
from reconciler.store import open_store
from reconciler.store.output_ids import output_id
from reconciler.store.outputs import OutputRecord
from reconciler.web.app import create_app
from reconciler.web.context import WebContext
from reconciler.web.database import Stores
from tests.waiting import wait_for

#: What a browser sends for an <img>.
IMAGE = {"accept": "image/avif,image/webp,image/svg+xml,image/*,*/*;q=0.8"}


class Gallery:
    """One server's output directory, what is known of it, and the web interface over it."""

    def __init__(self, url: str, folder: Path, **previews: object) -> None:
        self.output_dir = folder / "output"
        self.output_dir.mkdir()
        #: Where files are put: a folder of its own for each test that shares it.
        self.folder = self.output_dir
        self.settings = Settings(
            servers=(
                ServerSettings(url="http://127.0.0.1:1", name="gpu", output_dir=self.output_dir),
            ),
            data_dir=folder / "data",
            previews=PreviewSettings(**previews),  # type: ignore[arg-type]
        )
        self._numbers = itertools.count(1)
        self._closing = ExitStack()
        self.store = open_store(url)
        self._closing.callback(self.store.close)
        stores = Stores(lambda: open_store(url, create=False))
        self._closing.callback(stores.close)
        self.context = WebContext(self.settings, stores)
        self._closing.callback(self.context.pictures.close)
        self.app = create_app(self.context)
        self.web = self._closing.enter_context(TestClient(self.app, "http://127.0.0.1:8328"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._closing.close()

    def fresh(self) -> Self:
        """The same for another test, whose files meet those of no other."""
        self.folder = self.output_dir / f"test-{next(self._numbers)}"
        self.folder.mkdir()
        return self

    @property
    def kept(self) -> list[Path]:
        """The files of the cache."""
        return sorted(self.settings.data_dir.glob("previews/*"))

    def put(self, source: Path, name: str | None = None, job_id: str | None = None) -> str:
        """Copies a file there, and has it inspected; gives its id."""
        path = self.folder / (name or source.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)
        return self.know(path, job_id)

    def know(self, path: Path, job_id: str | None = None) -> str:
        """Has a file inspected that is there, and stores what was found."""
        seen = inspect(path)
        self.store.outputs.save(
            OutputRecord(
                path,
                "gpu",
                seen.size_bytes,
                seen.mtime_ns,
                seen.inode,
                to_json(seen),
                FileState(seen.verdict.value),
                job_id,
                device=os.stat(path).st_dev,
                thumbnail=seen.thumbnail,
            )
        )
        return output_id(self.store.outputs.spaces.key(path))

    def get(self, output: str, what: str, **headers: str) -> httpx.Response:
        """GET of one kind of one output."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.web.get(f"/api/v1/outputs/{output}/{what}", headers=named)

    def made(self, output: str, kind: str) -> httpx.Response:
        """The same, once it is no longer being made."""

        def ready() -> httpx.Response | None:
            answer = self.get(output, kind)
            return None if answer.status_code == 202 else answer

        return wait_for(ready, f"the {kind} is made")


Studio = Callable[[str], Path]
__all__ = ["IMAGE", "Gallery", "Studio"]
