"""Where the copies of files lie that were fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.service.attending import _root
from reconciler.settings import load


@pytest.mark.parametrize("name", [".", "..", "../..", "a/b", "gpu"])
def test_each_server_has_a_folder_of_its_own_below_the_data(name: str, tmp_path: Path) -> None:
    """The oldest files in it are deleted: it must be nothing else's."""
    servers = [{"url": "http://gpu:8188", "name": name, "fetch_outputs": True}]
    settings = load(environ={}, flags={"data_dir": str(tmp_path), "servers": servers})
    assert _root(settings, settings.servers[0]).resolve().parent == tmp_path / "fetched"
