"""The web server as a whole: health, its port, streams at its end, and a database that goes away."""

from __future__ import annotations

from pathlib import Path

from tests.integration.web.serving import prepared, serving


def test_it_lives_and_is_ready(database: str, tmp_path: Path) -> None:
    with serving(tmp_path, prepared(database)) as client:
        assert client.get("/livez").text == "ok\n"
        ready = client.get("/readyz?verbose")
        assert ready.status_code == 200 and "[+] database: answers" in ready.text
