"""Files that are no settings file: broken YAML, double keys, what cannot be read, and fuzz."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import SettingsError
from reconciler.settings import Settings, load
from tests.unit.settings.conftest import Problems, WriteFile


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b: c\n", "line 1, column 5: broken YAML: mapping values are not allowed here"),
        ("stall:\n\tx: 1\n", "line 2, column 1: broken YAML: found character '\\t'"),
        ("stall: {a: 1\n", "line 2, column 1: broken YAML: "),
        ("a: *b\n", "line 1, column 4: broken YAML: found undefined alias"),
        ("a: 1\n---\nb: 1\n", "line 2, column 1: broken YAML: but found another document"),
        ("a: !!python/object:os.system x\n", "line 1, column 4: broken YAML: could not determine"),
        ("a: !own x\n", "line 1, column 4: broken YAML: could not determine a constructor"),
        ("a: \x01\n", "broken YAML: special characters are not allowed at character 3"),
        ("a: 2026-99-99\n", "a value does not fit its YAML type (month must be in 1..12)"),
        ("a: !!int x\n", "a value does not fit its YAML type"),
        ("a: !!bool x\n", "a value does not fit its YAML type"),
        ("[" * 3000, "is nested too deeply"),
        ("- a\n- b\n", "should hold sections"),
        ("hello\n", "should hold sections"),
    ],
)
def test_what_is_no_settings_file(problems: Problems, text: str, expected: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("reconciler.yaml")
    assert expected in problem


def test_tabs_and_colons_get_a_hint(problems: Problems) -> None:
    assert "indent with spaces" in problems("stall:\n\tx: 1\n")[0]
    assert "quote a text that holds a colon" in problems("a: b: c\n")[0]


def test_keys_given_twice_are_named_at_any_depth(problems: Problems) -> None:
    text = (
        "log: {level: info}\n"
        "stall:\n"
        "  interrupt: true\n"
        "  interrupt: false\n"
        "log: {format: json}\n"
        "servers: [{url: 'http://a', url: 'http://b'}]\n"
    )
    assert problems(text) == [
        "reconciler.yaml, line 4: interrupt: was given in line 3 already; keep one of them",
        "reconciler.yaml, line 5: log: was given in line 1 already; keep one of them",
        "reconciler.yaml, line 6: url: was given in line 6 already; keep one of them",
    ]


def test_the_last_of_two_keys_is_the_one_that_is_checked(problems: Problems) -> None:
    found = problems("log:\n  level: info\n  level: loud\n")
    assert [line.split(":")[0] for line in found] == ["reconciler.yaml, line 3"] * 2
    assert "not 'loud'" in "".join(found)


@pytest.mark.parametrize("key", ["12", "yes", "null", "1.5", "2026-01-01", "[a]"])
def test_keys_that_are_no_text_are_named(problems: Problems, key: str) -> None:
    (problem,) = problems(f"stall:\n  {key}: 5\n")
    assert problem.startswith("reconciler.yaml, line 2: ")
    assert "is not read as text" in problem


def test_merge_keys_and_aliases_work_and_are_visited_once(write: WriteFile) -> None:
    text = (
        "servers:\n"
        "  - &first {url: 'http://a', output_dir: /out, headers: {X: y}}\n"
        "  - {<<: *first, url: 'http://b'}\n"
    )
    second = load(config=write(text), environ={}).servers[1]
    assert (second.url, str(second.output_dir)) == ("http://b", "/out")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {b: *a}\n",
        "servers: &a [*a]\n",
        "stall: &a {budget: *a}\n",
        # ten to the power of thirty entries, for whoever follows every alias
        "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{f'*a{n},' * 10}]\n" for n in range(30)),
    ],
)
def test_aliases_cannot_blow_up(problems: Problems, text: str) -> None:
    assert all("no such setting" in line or "should be" in line for line in problems(text))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "cannot be read: No such file or directory. Name another file"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.symlink_to("/dev/zero"), "is larger than 1048576 bytes"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"a: 1\nb: \xff\n"), "line 2: is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, make: Callable[[Path], None], expected: str
) -> None:
    path = tmp_path / "reconciler.yaml"
    make(path)
    with pytest.raises(SettingsError) as caught:
        load(config=path, environ={})
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)


def test_a_name_with_a_nul_in_it() -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(config=Path("a\0b"), environ={})


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbflog: {level: debug}\r\n")
    assert load(config=path, environ={}).log.level == "debug"


def test_a_pipe_may_be_the_file() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"log: {level: debug}")
        os.close(writer)
        assert load(config=Path(f"/dev/fd/{reader}"), environ={}).log.level == "debug"
    finally:
        os.close(reader)


def test_paths_are_relative_to_the_folder_of_the_file(write: WriteFile) -> None:
    text = "data_dir: data\nservers: [{url: 'https://a', output_dir: out, tls_ca: ../ca.pem}]\n"
    file = write(text)
    result = load(config=file, environ={})
    assert result.data_dir == file.parent / "data"
    assert result.servers[0].output_dir == file.parent / "out"
    assert result.servers[0].tls_ca == file.parent / "../ca.pem"


def test_paths_elsewhere_are_relative_to_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    environ = {"RECONCILER_DATA_DIR": "data", "RECONCILER_CONFIG": "/dev/null"}
    assert load(environ=environ).data_dir == tmp_path / "data"
    tilde = load(environ={**environ, "RECONCILER_DATA_DIR": "~/data"})
    assert tilde.data_dir == Path("/home/somebody/data")


MARKS = [":", ": ", "- ", "\n", "\n  ", "{", "}", "[", "]", ",", "&a ", "*a", "'", '"', "#", "%"]
TAGS = ["!!set ", "!!binary ", "!!int ", "!!omap ", "|\n", "? ", "<<", "\t", "é", "\0", "\\ud800"]
KEYS = ["servers", "url", "stall", "lost", "headers", "token", "x", "null", "yes", "5", "0x"]
WORDS = st.sampled_from([*MARKS, *TAGS, *KEYS])


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.lists(WORDS, max_size=25).map("".join), st.text(max_size=50)))
def test_no_text_causes_anything_but_settings_or_a_settings_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        assert isinstance(load(config=path, environ={}), Settings)
    except SettingsError as error:
        assert str(error).encode("utf-8").startswith((str(path).encode(), b"2", b"3", b"4", b"5"))
