"""One server: its address, its name, its headers, and the paths that applications see."""

import base64
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.errors import OutsideOutput
from reconciler.settings import ServerSettings, load, one_server, stored_path_of


@pytest.mark.parametrize(
    ("given_url", "url", "name"),
    [
        ("http://127.0.0.1:8188", "http://127.0.0.1:8188", "127.0.0.1:8188"),
        ("http://127.0.0.1:8188/", "http://127.0.0.1:8188", "127.0.0.1:8188"),
        ("HTTP://Gpu1.Lan:80/", "http://gpu1.lan", "gpu1.lan:80"),
        ("https://comfy.example", "https://comfy.example", "comfy.example:443"),
        ("https://gate/one/", "https://gate/one", "gate:443/one"),
        ("http://[::1]:8188", "http://[::1]:8188", "[::1]:8188"),
    ],
)
def test_an_address_is_normalised_and_gives_the_name(given_url: str, url: str, name: str) -> None:
    server = ServerSettings(url=given_url)
    assert (server.url, server.name) == (url, name)
    assert ServerSettings(url=given_url, name="").name == name
    assert ServerSettings(url=given_url, name="own").name == "own"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:8188", "did you mean http://localhost:8188?"),
        ("gpu1", "did you mean http://gpu1?"),
        ("ftp://host/x", "should be as http://127.0.0.1:8188"),
        ("ws://host:8188/ws", "should be as http://127.0.0.1:8188"),
        ("http://", "should be as http://127.0.0.1:8188"),
        ("http://host:99999", "should be as http://127.0.0.1:8188"),
        ("", "should be as http://127.0.0.1:8188"),
        ("http://host/?token=x", "a key belongs in token or headers"),
        ("http://host/#x", "a key belongs in token or headers"),
    ],
)
def test_what_is_no_address_of_a_server(url: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ServerSettings(url=url)
    (error,) = caught.value.errors()
    assert error["loc"] == ("url",)
    assert words in str(error["ctx"]["error"])


@pytest.mark.parametrize("name", ["x" * 101, "two\nlines", " spaces ", "\x1b[31m"])
def test_a_name_is_one_short_line(name: str) -> None:
    with pytest.raises(ValidationError, match="one line of at most 100"):
        ServerSettings(url="http://a", name=name)


def test_headers_and_token_are_sent() -> None:
    server = ServerSettings.model_validate(
        {"url": "http://a", "headers": {"X-Key": "k"}, "token": "t"}
    )
    assert server.request_headers() == {"X-Key": "k", "Authorization": "Bearer t"}
    assert ServerSettings(url="http://a").request_headers() == {}


def test_a_login_in_the_url_becomes_a_header() -> None:
    server = ServerSettings(url="http://user:p%40ss@host:8188/x")
    encoded = base64.b64encode(b"user:p@ss").decode()
    assert server.url == "http://host:8188/x"
    assert server.request_headers() == {"Authorization": f"Basic {encoded}"}


def test_a_login_beside_an_authorization_header_is_refused() -> None:
    with pytest.raises(ValidationError, match="should hold no"):
        ServerSettings.model_validate({"url": "http://u:p@a", "headers": {"Authorization": "x"}})


@pytest.mark.parametrize(
    "headers",
    [{"X Y": "a"}, {"X:": "a"}, {"": "a"}, {"X": "a\r\nY: b"}, {"X": ""}, {"X": "\u20ac"}],
)
def test_headers_cannot_smuggle_others_in(headers: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ServerSettings.model_validate({"url": "http://a", "headers": headers})
    with pytest.raises(ValidationError):
        ServerSettings.model_validate({"url": "http://a", "token": "t\r\nY: b"})


@pytest.mark.parametrize(
    ("stored", "inside", "expected"),
    [
        ("/mnt/out", "a.mp4", "/mnt/out/a.mp4"),
        ("/mnt/out/", "sub/a.mp4", "/mnt/out/sub/a.mp4"),
        ("/", "a.mp4", "/a.mp4"),
        (r"\\nas\out", "sub/a.mp4", r"\\nas\out\sub\a.mp4"),
        ("\\\\nas\\out\\", "a.mp4", r"\\nas\out\a.mp4"),
        (r"C:\out", "sub/a.mp4", r"C:\out\sub\a.mp4"),
        ("C:", "a.mp4", r"C:\a.mp4"),
        ("C:/out", "sub/a.mp4", "C:/out/sub/a.mp4"),
        ("s3://bucket/out", "sub/a.mp4", "s3://bucket/out/sub/a.mp4"),
        ("/mnt/out", "a\\b.mp4", "/mnt/out/a\\b.mp4"),
        ("/mnt/out", "\udcff.mp4", "/mnt/out/\udcff.mp4"),
        (None, "sub/a.mp4", "/srv/out/sub/a.mp4"),
    ],
)
def test_stored_path_is_what_applications_open(
    stored: str | None, inside: str, expected: str
) -> None:
    server = ServerSettings(url="http://a", output_dir=Path("/srv/out"), stored_path=stored)
    assert stored_path_of(server, PurePosixPath(inside)) == expected


def test_without_any_directory_the_path_stays_relative() -> None:
    server = ServerSettings(url="http://a")
    assert server.stored_path is None
    assert stored_path_of(server, PurePosixPath("sub/a.mp4")) == "sub/a.mp4"


@pytest.mark.parametrize(
    ("stored", "inside"),
    [
        ("/mnt/out", "../a.mp4"),
        ("/mnt/out", "/etc/passwd"),
        (r"\\nas\out", "sub/../../a.mp4"),
        (r"\\nas\out", "..\\..\\a.mp4"),
        (None, "../a.mp4"),
    ],
)
def test_a_path_that_leaves_the_directory_is_refused(stored: str | None, inside: str) -> None:
    server = ServerSettings(url="http://a", stored_path=stored)
    with pytest.raises(OutsideOutput, match="no path inside the output directory of server a:80"):
        stored_path_of(server, PurePosixPath(inside))


NAMES = st.text(st.characters(exclude_characters="/\\\0"), min_size=1, max_size=8).filter(
    lambda name: name not in {".", ".."}
)


@given(parts=st.lists(NAMES, min_size=1, max_size=4))
def test_stored_paths_lead_back_to_the_file(parts: list[str]) -> None:
    inside = PurePosixPath(*parts)
    for base, separator in (("/mnt/out", "/"), (r"\\nas\out", "\\")):
        stored = stored_path_of(ServerSettings(url="http://a", stored_path=base), inside)
        assert stored.removeprefix(base + separator).split(separator) == parts


@pytest.mark.parametrize("stored", ["", "a\nb", "\0"])
def test_what_is_no_stored_path(stored: str) -> None:
    with pytest.raises(ValidationError, match="path as applications see it"):
        ServerSettings(url="http://a", stored_path=stored)


def test_one_server_needs_no_file() -> None:
    flags = one_server("http://a:8188", Path("/srv/out"))
    (server,) = load(config=Path("/dev/null"), environ={}, flags=flags).servers
    assert (server.name, server.output_dir) == ("a:8188", Path("/srv/out"))
    (server,) = load(
        config=Path("/dev/null"), environ={}, flags=one_server("http://a", None, "gpu")
    ).servers
    assert (server.name, server.output_dir) == ("gpu", None)


def test_servers_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ServerSettings(url="http://a").url = "http://b"  # type: ignore[misc]
