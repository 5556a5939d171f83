"""The image and the Compose example name settings, files and places that exist.

No container is built or run here: that needs a Docker engine.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from reconciler.settings import Settings, load

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "config/examples/compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]


def substituted(value: str, **variables: str) -> str:
    """As Compose puts variables in: ${NAME}, ${NAME:-default}, ${NAME:?complaint}."""
    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda m: variables.get(m[1], m[2] or ""), value)


def composed_settings() -> Settings:
    given = SERVICES["reconciler"]["environment"]
    environ = {key: substituted(value, POSTGRES_PASSWORD="secret") for key, value in given.items()}
    settings = load(config=Path("/dev/null"), environ=environ)
    assert settings.source.variables == tuple(sorted(environ))  # each of them is a setting
    return settings


def mounts_of(service: str) -> dict[str, str]:
    """Place in the container → place on the host, with the options."""
    found = {}
    for volume in SERVICES[service]["volumes"]:
        host, place, *options = substituted(volume).split(":")
        found[place] = ":".join([host, *options])
    return found


def test_compose_names_settings_that_exist() -> None:
    (server,) = composed_settings().servers
    assert server.name == "gpu1"
    assert SERVICES["comfyui"]["command"][-2:] == ["--output-directory", "/app/output"]
    assert server.url == "http://comfyui:8188"


def test_compose_mounts_one_directory_for_all() -> None:
    (server,) = composed_settings().servers
    host = mounts_of("comfyui")["/app/output"]
    assert mounts_of("reconciler")[str(server.output_dir)] == f"{host}:ro"
    assert server.stored_path == host  # applications run on the host


def test_compose_connects_to_its_own_postgres() -> None:
    url = composed_settings().database.dsn
    postgres = SERVICES["postgres"]["environment"]
    assert url == (
        f"postgresql://{postgres['POSTGRES_USER']}:secret@postgres:5432/{postgres['POSTGRES_DB']}"
    )
    assert SERVICES["reconciler"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "healthcheck" in SERVICES["postgres"]
    assert set(COMPOSE["volumes"]) == {"postgres"}


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def test_the_image_runs_the_service_and_not_as_root() -> None:
    last = dict(instructions())
    assert last["FROM"] == "python:3.12-slim"
    assert last["USER"] == "10001:10001"
    assert "--uid 10001" in " ".join(rest for word, rest in instructions() if word == "RUN")
    assert json.loads(last["ENTRYPOINT"]) + json.loads(last["CMD"]) == ["reconciler", "run"]
    environ = dict(pair.split("=", 1) for pair in last["ENV"].split())
    ours = {key: value for key, value in environ.items() if key.startswith("RECONCILER_")}
    settings = load(config=Path("/dev/null"), environ=ours)
    assert str(settings.data_dir) == last["VOLUME"]


def test_the_image_is_built_from_files_that_are_there_and_let_in() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
