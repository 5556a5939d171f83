"""config/reconciler.yaml documents every setting, and nothing else; docs and examples are right."""

import re
import textwrap
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.errors import SettingsError
from reconciler.settings import ServerSettings, Settings, load
from reconciler.settings.problems import ANY, dotted, known_paths

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "config" / "reconciler.yaml"
UNITS = {"_s": "econds", "_bytes": "ytes", "_px": "ixels"}


def server_entry() -> str:
    """The commented entry of a server, uncommented: a mapping with comments."""
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    inside = lines[lines.index("servers: []") + 1 :]
    entry = "\n".join(line[4:] for line in inside[: inside.index("")])
    return textwrap.dedent(entry[entry.index("- #") :].replace("- #", "  #"))


def comments(text: str) -> dict[str, str]:
    """Dotted key → the comment lines right above it, as one text."""
    found, above, path = {}, [], []
    for line in text.splitlines():
        if comment := re.match(r"\s*#\s*(.*)", line):
            above.append(comment[1])
        elif key := re.match(r"(\s*)(\w+):", line):
            path = [*path[: len(key[1]) // 2], key[2]]
            found[".".join(path)] = " ".join(above)
            above = []
        else:
            above = []
    return found


def fields(model: type[BaseModel], above: str = "") -> dict[str, FieldInfo]:
    """Dotted key → field, of the settings that are no section."""
    found = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= fields(field.annotation, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = field
    return found


DOCUMENTED = comments(REFERENCE.read_text(encoding="utf-8"))
SERVER_DOCUMENTED = comments(server_entry())


def test_reference_has_every_setting_and_no_other() -> None:
    known = {dotted(path) for path in known_paths(Settings) if ANY not in path}
    assert set(DOCUMENTED) == known


def test_reference_has_every_key_of_a_server_and_no_other() -> None:
    assert set(SERVER_DOCUMENTED) == set(ServerSettings.model_fields)


@pytest.mark.parametrize("key", sorted(fields(Settings)))
def test_each_setting_says_unit_values_and_why(key: str) -> None:
    field, comment = fields(Settings)[key], DOCUMENTED[key]
    assert "Why" in comment
    assert len(comment.split("Why")[0].split()) >= 4, "says too little of what it is"
    for ending, unit in UNITS.items():
        assert not key.endswith(ending) or unit in comment
    if get_origin(field.annotation) is Literal:
        assert all(re.search(rf"\b{value}\b", comment) for value in get_args(field.annotation))
    if field.annotation is bool:
        assert "true or false" in comment
    if type(None) in get_args(field.annotation):
        assert "null" in comment


@pytest.mark.parametrize("key", sorted(ServerSettings.model_fields))
def test_each_key_of_a_server_says_default_and_why(key: str) -> None:
    comment = SERVER_DOCUMENTED[key]
    assert "Why" in comment
    assert ServerSettings.model_fields[key].is_required() or "Default" in comment


def test_reference_as_shipped_is_the_defaults() -> None:
    assert load(config=REFERENCE, environ={}).model_dump() == Settings().model_dump()


def test_the_commented_server_is_right_once_uncommented(tmp_path: Path) -> None:
    text = REFERENCE.read_text(encoding="utf-8").replace("servers: []", "servers:")
    entry = yaml.safe_load(server_entry())
    assert set(entry) == set(ServerSettings.model_fields)
    del entry["tls_ca"]  # has no meaning for the http url of the example
    path = tmp_path / "with-server.yaml"
    path.write_text(text.replace("servers:\n", f"servers: {[entry]}\n"), encoding="utf-8")
    (server,) = load(config=path, environ={}).servers
    assert (server.name, server.stored_path) == ("gpu1", "/mnt/output")


def test_example_with_several_servers() -> None:
    settings = load(config=ROOT / "config/examples/several-servers.yaml", environ={})
    names = ["gpu1", "gpu2", "gpu3", "rented", "borrowed"]
    assert [server.name for server in settings.servers] == names
    assert settings.servers[2].stored_path == r"\\nas\gpu3"
    assert all((s.output_dir is not None) != s.fetch_outputs for s in settings.servers)


def test_example_of_an_agent_among_others() -> None:
    settings = load(config=ROOT / "config/examples/several-hosts.yaml", environ={})
    assert [server.name for server in settings.servers] == ["gpu1"]
    assert (settings.agent.name, settings.agent.terms.lease_s) == ("gpu-host-1", 15.0)


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_files_in_the_docs_are_right(tmp_path: Path) -> None:
    for text in blocks("yaml"):
        path = tmp_path / "example.yaml"
        path.write_text(text, encoding="utf-8")
        settings = load(config=path, environ={})
    assert settings.stall.no_progress_s == 1200


def test_variables_in_the_docs_are_right() -> None:
    pairs = (line.split("=", 1) for line in "".join(blocks("sh")).splitlines())
    environ = {name: value.strip("'") for name, value in pairs}
    settings = load(config=Path("/dev/null"), environ=environ)
    assert settings.source.variables == tuple(sorted(environ))
    assert (settings.lost.confirmations, settings.timeouts.server_down_s) == (5, None)
    assert settings.servers[0].name == "127.0.0.1:8188"


def test_mistakes_in_the_docs_are_what_is_really_said(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_text("stall:\n  no_progres_s: 5\n\nservers:\n  - url: localhost:8188\n")
    with pytest.raises(SettingsError) as caught:
        load(config=path, environ={"RECONCILER_WATCH__OBSERVER": "poling"})
    assert str(caught.value).replace(f"{tmp_path}/", "") == blocks("text")[0].strip()
