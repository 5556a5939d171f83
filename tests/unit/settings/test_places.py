"""Where the settings file is looked for, and where the data lie if nobody says so."""

import os
from pathlib import Path

import pytest

from reconciler.errors import SettingsError
from reconciler.settings import load
from reconciler.settings.places import candidates, default_data_dir


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory beside an empty home."""
    for folder in ("here", "home", "config"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def put(path: Path, level: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"log: {{level: {level}}}")
    return path


def test_the_order_of_places(home: Path) -> None:
    environ = {"HOME": str(home / "home")}
    assert candidates(environ) == (
        home / "here/reconciler.yaml",
        home / "home/.config/reconciler/reconciler.yaml",
        Path("/etc/reconciler/reconciler.yaml"),
    )
    with_xdg = candidates({**environ, "XDG_CONFIG_HOME": str(home / "config")})
    assert with_xdg[1] == home / "config/reconciler/reconciler.yaml"
    assert candidates({**environ, "XDG_CONFIG_HOME": "relative"}) == candidates(environ)


def test_each_place_wins_over_the_next(home: Path) -> None:
    environ = {"HOME": str(home / "home"), "RECONCILER_CONFIG": str(home / "named.yaml")}
    flag = put(home / "flag.yaml", "debug")
    named = put(home / "named.yaml", "info")
    here = put(home / "here/reconciler.yaml", "warning")
    personal = put(home / "home/.config/reconciler/reconciler.yaml", "error")

    assert load(config=flag, environ=environ).source.file == flag
    assert load(environ=environ).source.file == named
    del environ["RECONCILER_CONFIG"]
    assert load(environ=environ).source.file == here
    here.unlink()
    found = load(environ=environ)
    assert (found.source.file, found.log.level) == (personal, "error")


def test_no_file_is_fine_and_the_places_are_told(home: Path) -> None:
    source = load(environ={"HOME": str(home / "home")}).source
    assert source.file is None
    assert source.searched[0] == home / "here/reconciler.yaml"
    assert str(source) == f"no file (looked for {', '.join(map(str, source.searched))})"


def test_a_named_file_must_exist(home: Path) -> None:
    put(home / "here/reconciler.yaml", "debug")
    for named in ({"config": Path("missing.yaml")}, {"config": None}):
        with pytest.raises(SettingsError, match=r"missing\.yaml: cannot be read"):
            load(**named, environ={"RECONCILER_CONFIG": "missing.yaml"})


def test_a_dangling_link_is_not_passed_over(home: Path) -> None:
    (home / "here/reconciler.yaml").symlink_to("gone.yaml")
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load(environ={"HOME": str(home / "home")})


def test_a_relative_name_is_told_in_full(home: Path) -> None:
    file = put(home / "here/own.yaml", "debug")
    assert load(environ={"RECONCILER_CONFIG": "own.yaml"}).source.file == file


@pytest.mark.parametrize(
    ("user", "environ", "expected"),
    [
        (0, {"HOME": "/root", "XDG_DATA_HOME": "/x"}, "/var/lib/reconciler"),
        (1000, {"HOME": "/home/a"}, "/home/a/.local/share/reconciler"),
        (1000, {"HOME": "/home/a", "XDG_DATA_HOME": "/x"}, "/x/reconciler"),
        (1000, {"HOME": "/home/a", "XDG_DATA_HOME": "x"}, "/home/a/.local/share/reconciler"),
    ],
)
def test_where_the_data_lie(
    monkeypatch: pytest.MonkeyPatch, user: int, environ: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert default_data_dir(environ) == Path(expected)
    assert load(config=Path("/dev/null"), environ=environ).data_dir == Path(expected)
    null = {**environ, "RECONCILER_DATA_DIR": "null"}
    assert load(config=Path("/dev/null"), environ=null).data_dir == Path(expected)


def test_a_user_without_home_or_name_still_gets_a_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert default_data_dir({}) == Path("/var/lib/reconciler")
    assert len(candidates({})) == 2
