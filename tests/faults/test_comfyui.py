"""A ComfyUI server that fails in every way: no row is wrong for it, and none for long after it.

`make test` lets all of them fail at once, each a server of its own, and with graces so short that
whoever took silence for evidence would be wrong; `make faults` one after the other, with answers
as slow and as large as they are in life.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import http_faults as faults
from tests.faults.comfyui_trial import HASTY, Fault, Played, play
from tests.faults.conftest import Figure
from tests.integration.conftest import fresh_database

SHORT_S, LONG_S = 1.5, 12.0
#: One of each kind, for `make test`.
SHORT = (
    "it holds questions",
    "it is slow",
    "it resets connections",
    "an error page with 502",
    "JSON that breaks off",
    "a length that is too short",
    "a large answer",
    "an endless answer",
    "a redirect",
    "a gzip bomb in a gzip bomb",
    "401",
    "a history that fails",
    "a history of another version: other words",
    "an error page with 502 (with the pack)",
    "the websocket is silent",
    "the websocket floods",
    "the websocket sends garbage",
    "the websocket shakes no hands",
)
#: Of the websocket's messages, those that cause most work.
FLOOD = 10_000


def _faults(*, long: bool) -> dict[str, Fault]:
    """By name. What is large is smaller where all of it comes at once."""
    mib = 100 if long else 2
    http = {
        "it holds questions": faults.holds,
        "it is slow": faults.slow(10.0 if long else 1.0),
        "it is slow, and in time": faults.slow(0.3),
        "it resets connections": faults.Visit.reset,
        "it hangs up": faults.Visit.hang_up,
        "an error page with 200": faults.error_page("200 OK"),
        "an error page with 502": faults.error_page("502 Bad Gateway"),
        "JSON that breaks off": faults.cut,
        "half of the JSON": faults.half,
        "a length that is too short": faults.too_short,
        "a length that is too long": faults.too_long,
        "a large answer": faults.large(mib),
        "as many values as fit": faults.dense(mib * 6 // 10),
        "an endless answer": faults.endless,
        "a redirect": faults.redirects,
        "a gzip bomb": faults.bomb(mib, 1),
        "a gzip bomb in a gzip bomb": faults.bomb(mib, 2),
        "401": faults.unauthorized,
        "no HTTP": faults.gibberish,
        "empty answers": faults.empty,
        "a history that fails": faults.only("/history", faults.error_page("500 Oops")),
    }
    for name, rewrite in faults.OTHER_HISTORIES.items():
        http[f"a history of another version: {name}"] = faults.rewritten("/history", rewrite)
    sockets = {
        "the websocket is silent": faults.silent,
        "the websocket floods": faults.flood(FLOOD),
        "the websocket sends garbage": faults.garbage,
        "the websocket sends a huge frame": faults.huge_frame,
        "the websocket shakes no hands": faults.no_handshake,
    }
    packed = ["it holds questions", "an error page with 502", "JSON that breaks off"]
    every = [Fault(name, http=manner) for name, manner in http.items()]
    every += [Fault(f"{name} (with the pack)", http=http[name], pack=True) for name in packed]
    every += [Fault(name, websocket=manner, harmless=True) for name, manner in sockets.items()]
    return {fault.name: fault for fault in every}


@pytest.fixture(scope="module")
def together(
    request: pytest.FixtureRequest, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Played | None:
    """All faults at once; nothing in the long form."""
    if request.config.getoption("--long"):
        return None
    folder = tmp_path_factory.mktemp("together")
    comfyui = {**HASTY["comfyui"], "max_answer_bytes": 2**20}
    with fresh_database(postgres_url) as url:
        faults = [_faults(long=False)[name] for name in SHORT]
        return play(url, folder, faults, SHORT_S, comfyui=comfyui)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        long = metafunc.config.getoption("--long")
        metafunc.parametrize("name", _faults(long=True) if long else SHORT)


def test_no_verdict_is_wrong_and_rows_are_right_after_it(
    name: str, together: Played | None, postgres_url: str, tmp_path: Path, figure: Figure
) -> None:
    fault = _faults(long=together is None)[name]
    if together is None:
        with fresh_database(postgres_url) as url:
            played = play(url, tmp_path, [fault], LONG_S)
        figure(str(played))
    else:
        played = together
    result = played.results[name]
    figure(str(result))
    assert result.wrong == []
    if fault.harmless:
        assert result.right_s <= 0.0


def test_a_server_that_is_well_is_served_meanwhile(together: Played | None, figure: Figure) -> None:
    if together is not None:
        figure(f"{len(together.results)} faults at once: {together}")
