"""Flags win over the environment, the environment over the file, the file over the defaults."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.settings import Settings, load, one_server
from tests.unit.settings.conftest import WriteFile

NOTHING = Path("/dev/null")


@pytest.mark.parametrize("given_by", list(itertools.product((True, False), repeat=3)))
def test_the_first_source_that_speaks_wins(
    write: WriteFile, given_by: tuple[bool, bool, bool]
) -> None:
    by_flag, by_variable, by_file = given_by
    result = load(
        config=write("stall: {no_progress_s: 3}" if by_file else ""),
        environ={"RECONCILER_STALL__NO_PROGRESS_S": "2"} if by_variable else {},
        flags={"stall": {"no_progress_s": 1}} if by_flag else {},
    )
    expected = next((value for value, on in zip((1, 2, 3), given_by, strict=True) if on), 900)
    assert result.stall.no_progress_s == expected


def test_sources_are_merged_key_by_key_within_a_section(write: WriteFile) -> None:
    result = load(
        config=write("stall: {interrupt: true, budget: {base_s: 3, unknown_frames: 3}}"),
        environ={"RECONCILER_STALL__BUDGET__BASE_S": "2"},
        flags={"stall": {"startup_grace_s": 1}},
    )
    budget = result.stall.budget
    assert (result.stall.interrupt, result.stall.startup_grace_s) == (True, 1)
    assert (budget.base_s, budget.unknown_frames, budget.per_frame_s) == (2, 3, 30)


def test_a_list_is_replaced_as_a_whole(write: WriteFile) -> None:
    file = write("servers: [{url: 'http://a:1'}, {url: 'http://b:1'}]")
    environ = {"RECONCILER_SERVERS": json.dumps([{"url": "http://c:1"}])}
    assert [each.name for each in load(config=file, environ=environ).servers] == ["c:1"]
    flags = one_server("http://d:1", None)
    assert [each.name for each in load(config=file, environ=environ, flags=flags).servers] == [
        "d:1"
    ]


def test_a_section_in_the_environment_may_be_json_and_single_keys_win_over_it() -> None:
    environ = {
        "RECONCILER_LOST": '{"confirmations": 5, "grace_s": 7}',
        "RECONCILER_LOST__GRACE_S": "8",
    }
    lost = load(config=NOTHING, environ=environ).lost
    assert (lost.confirmations, lost.grace_s) == (5, 8)


def test_null_in_the_environment_switches_a_limit_off() -> None:
    environ = {"RECONCILER_TIMEOUTS__SERVER_DOWN_S": "null", "RECONCILER_DATA_DIR": "null"}
    result = load(config=NOTHING, environ=environ)
    assert result.timeouts.server_down_s is None
    assert result.data_dir == Settings().data_dir


def test_an_empty_variable_counts_as_unset(write: WriteFile) -> None:
    file = write("database: {url: postgresql://host/name}")
    environ = {"RECONCILER_DATABASE__URL": "", "RECONCILER_NONSENSE": "", "RECONCILER_CONFIG": ""}
    result = load(config=file, environ=environ)
    assert result.database.dsn == "postgresql://host/name"
    assert result.source.variables == ()


def test_variables_may_be_in_small_letters() -> None:
    assert load(config=NOTHING, environ={"reconciler_log__level": "debug"}).log.level == "debug"


@pytest.mark.parametrize("text", ["", "# nothing\n", "stall:\n", "servers:\n", "---\n", "{}"])
def test_what_is_empty_is_the_defaults(write: WriteFile, text: str) -> None:
    assert load(config=write(text), environ={}).model_dump() == Settings().model_dump()


def test_settings_without_load_ignore_environment_and_file(
    monkeypatch: pytest.MonkeyPatch, write: WriteFile
) -> None:
    file = write("log: {level: error}")
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("RECONCILER_LOG__LEVEL", "debug")
    assert Settings().log.level == "info"
    assert load().log.level == "debug"
    assert Settings().log.level == "info"


def test_source_says_what_was_used(write: WriteFile) -> None:
    file = write("log: {level: error}")
    environ = {"RECONCILER_WATCH__RESCAN_S": "5", "HOME": "/root"}
    flags = {"stall": {"budget": {"base_s": 2}}, **one_server("http://a", "/out")}
    source = load(config=file, environ=environ, flags=flags).source
    assert source.file == file
    assert source.variables == ("RECONCILER_WATCH__RESCAN_S",)
    assert source.flags == ("stall.budget.base_s", "servers")
    assert str(source) == (
        f"flags stall.budget.base_s, servers; environment RECONCILER_WATCH__RESCAN_S; file {file}"
    )


def numbers(section: dict[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], float]:
    found = {}
    for key, value in section.items():
        if isinstance(value, dict):
            found |= numbers(value, (*above, key))
        elif isinstance(value, float):
            found[(*above, key)] = value
    return found


def nested(values: dict[tuple[str, ...], float]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, value in values.items():
        section = root
        for key in path[:-1]:
            section = section.setdefault(key, {})
        section[path[-1]] = value
    return root


NUMBERS = numbers(Settings().model_dump())
#: Values that contradict each other are another test's matter.
FREE = sorted(path for path in NUMBERS if path[0] not in {"reconcile", "watch"})
SOME = st.dictionaries(st.sampled_from(FREE), st.integers(2, 10_000).map(float))


@settings(max_examples=50, deadline=None)
@given(flags=SOME, variables=SOME, file=SOME)
def test_any_mixture_of_sources_is_merged_by_rank(
    tmp_path_factory: pytest.TempPathFactory,
    flags: dict[tuple[str, ...], float],
    variables: dict[tuple[str, ...], float],
    file: dict[tuple[str, ...], float],
) -> None:
    path = tmp_path_factory.getbasetemp() / "mixture.yaml"
    path.write_text(json.dumps(nested(file)))
    environ = {f"RECONCILER_{'__'.join(p).upper()}": str(v) for p, v in variables.items()}
    result = load(config=path, environ=environ, flags=nested(flags))
    assert numbers(result.model_dump()) == {**NUMBERS, **file, **variables, **flags}
