"""What the tests of the settings share."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from reconciler.errors import SettingsError
from reconciler.settings import load

WriteFile = Callable[[str], Path]
Problems = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Writes a settings file and returns its path."""

    def write_file(text: str) -> Path:
        path = tmp_path / "reconciler.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def problems(write: WriteFile) -> Problems:
    """Loads what must be refused, and returns its problems, one a line, without the folder."""

    def problems_of(
        text: str = "",
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> list[str]:
        path = write(text)
        with pytest.raises(SettingsError) as caught:
            load(config=path, environ=environ or {}, flags=flags or {})
        lines = str(caught.value).replace(f"{path.parent}/", "").splitlines()
        return [line.strip() for line in lines if not line.endswith("in the settings:")]

    return problems_of
