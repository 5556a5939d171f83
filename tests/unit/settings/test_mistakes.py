"""Every mistake is named: its file and line or variable, its key, what is wrong, what is right."""

import pytest

from tests.unit.settings.conftest import Problems


def test_a_typo_names_file_line_key_and_the_nearest(problems: Problems) -> None:
    assert problems("log:\n  level: info\nstall:\n  no_progres_s: 5\n") == [
        "reconciler.yaml, line 4: stall.no_progres_s: there is no such setting;"
        " did you mean stall.no_progress_s?"
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("stal: {}", "did you mean stall?"),
        ("no_progress_s: 5", "did you mean stall.no_progress_s?"),
        ("output_dir: /x", "did you mean servers.*.output_dir or outputs?"),
        ("grace_s: 5", "did you mean lost.grace_s?"),
        ("connect_timeout_s: 5", "did you mean database.connect_timeout_s or comfyui.connect"),
        ("no_progress_sec: 5", "did you mean stall.no_progress_s?"),
        ("stall: {No-Progress-S: 5}", "did you mean stall.no_progress_s?"),
        ("stall: {budget: {bas_s: 5}}", "did you mean stall.budget.base_s?"),
        ("servers: [{url: 'http://a', tokn: x}]", "did you mean servers[0].token?"),
        ("log: {qqqqqq: 5}", "known here: format, level"),
    ],
)
def test_the_nearest_key_is_found(problems: Problems, text: str, advice: str) -> None:
    (problem,) = problems(text)
    assert "there is no such setting" in problem
    assert advice in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stall: {no_progress_s: ten}", "should be a number (seconds), not 'ten'"),
        ("stall: {no_progress_s: 0}", "should be greater than 0 (seconds), not 0"),
        ("stall: {no_progress_s: -1}", "should be greater than 0 (seconds), not -1"),
        ("stall: {no_progress_s: .inf}", "(seconds), not inf"),
        ("stall: {no_progress_s: .nan}", "(seconds), not nan"),
        (
            "stall: {no_progress_s: 1.0e+300}",
            "less than or equal to 31622400 (seconds), not 1e+300",
        ),
        ("stall: {no_progress_s: yes}", "should be a number, not true"),
        ("stall: {no_progress_s: null}", "should be a number (seconds), not null"),
        ("stall: {no_progress_s: [1]}", "should be a number (seconds), not a list or section"),
        ("lost: {grace_s: 0}", "should be greater than 0 (seconds), not 0"),
        ("lost: {confirmations: 1.5}", "should be a whole number, not 1.5"),
        ("lost: {confirmations: 0}", "should be greater than or equal to 1, not 0"),
        ("stall: {interrupt: maybe}", "should be true or false, not 'maybe'"),
        ("watch: {observer: poling}", "not 'poling'; did you mean polling?"),
        ("watch: {observer: off}", "not false (YAML reads yes, no, on and off as true and false)"),
        ("log: {level: INFO}", "did you mean info?"),
        ("comfyui: {max_answer_bytes: 3 lb}", "a number (bytes), such as 64 MiB, not '3 lb'"),
        ("comfyui: {max_answer_bytes: 12}", "greater than or equal to 1024 (bytes), not 12"),
        ("inspection: {memory_limit_bytes: 1 MiB}", "greater than or equal to 536870912 (bytes)"),
        ("inspection: {thumbnail_px: 1}", "greater than or equal to 16 (pixels), not 1"),
        ("attribution: {patterns: ['a.*']}", "needs a group named job_id or prompt_id"),
        ("attribution: {patterns: ['(?P<job_id>(a+)+)']}", "patterns[0]: repeats a group that"),
        ("attribution: {patterns: ['(?P<job_id>x']}", "is no regular expression"),
        (f"attribution: {{patterns: {['(?P<job_id>x)'] * 21}}}", "at most 20 entries"),
        ("verdicts: {bare_job_id: accept}", "did you mean attribution.bare_job_id?"),
        ("stall: 5", "should be a section"),
        ("stall: [1]", "should be a section"),
        ("servers: 5", "should be a list"),
        ("servers: {url: x}", "should be a list"),
        ("servers: [{name: x}]", "servers[0].url: is missing"),
        ("servers: [x]", "servers[0]: should be a section"),
        ("servers: [{url: 'http://a', name: 12}]", "should be text; put it in quotes"),
        ("data_dir: ''", "should be a path, not an empty text"),
        ("data_dir: ~nobody-of-this-name/x", "starts with ~ of a user whose home is unknown"),
        ("database: {jobs_table: a.b.c}", "should be a table's name or schema.table"),
        ("database: {jobs_table: ''}", "should be a table's name or schema.table"),
        (f"database: {{jobs_table: {'x' * 64}}}", "longer than the 63 bytes"),
        ("database: {url: 5}", "should be text; put it in quotes"),
        ("database: {url: mysql}", "is no Postgres address"),
        ("database: {url: 'postgresql+psycopg2://h/d'}", "write postgresql://"),
    ],
)
def test_a_wrong_value_is_told_in_words(problems: Problems, text: str, words: str) -> None:
    (problem,) = problems(f"# first line\n{text}\n")
    assert problem.startswith("reconciler.yaml, line 2: ")
    assert words in problem


def test_all_mistakes_of_all_sources_are_told_at_once(problems: Problems) -> None:
    text = "log:\n  level: loud\nservers:\n  - url: http://a\n  - url: nowhere\n    x: 1\n"
    environ = {"RECONCILER_STALL__INTERUPT": "1", "RECONCILER_LOST__GRACE_S": "x"}
    found = problems(text, environ, flags={"watch": {"rescan_s": 0}})
    starts = {line.split(": ")[0] for line in found}
    assert starts == {
        "command line",
        "environment variable RECONCILER_LOST__GRACE_S",
        "environment variable RECONCILER_STALL__INTERUPT",
        "reconciler.yaml, line 2",
        "reconciler.yaml, line 5",
        "reconciler.yaml, line 6",
    }
    assert len(found) == 6


def test_very_many_mistakes_are_cut(problems: Problems) -> None:
    found = problems("".join(f"key{number}: 1\n" for number in range(80)))
    assert len(found) == 51
    assert found[-1] == "and 30 more"


def test_lines_lead_into_lists_and_aliases(problems: Problems) -> None:
    text = (
        "servers:\n"
        "  - &first\n"
        "    url: http://a\n"
        "    tokn: x\n"
        "  - {url: 'http://b', headers: {\n"
        "      'X Y': z}}\n"
    )
    first, second = problems(text)
    assert first.startswith("reconciler.yaml, line 4: servers[0].tokn: ")
    assert second.startswith("reconciler.yaml, line 6: servers[1].headers.X Y")
    assert "is no name of an HTTP header" in second


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("RECONCILER_STALL__NO_PROGRES_S", "did you mean RECONCILER_STALL__NO_PROGRESS_S?"),
        ("RECONCILER_STALL_NO_PROGRESS_S", "did you mean RECONCILER_STALL__NO_PROGRESS_S?"),
        ("RECONCILER_DATABASE_URL", "did you mean RECONCILER_DATABASE__URL?"),
        ("RECONCILER_CONFG", "did you mean RECONCILER_CONFIG?"),
        ("RECONCILER_SERVERS__0__URL", "servers are one JSON list: RECONCILER_SERVERS='[{"),
        ("RECONCILER_QQQQQQQ", "config/reconciler.yaml lists all"),
    ],
)
def test_an_unknown_variable_is_a_mistake(problems: Problems, variable: str, advice: str) -> None:
    (problem,) = problems(environ={variable: "1"})
    assert problem.startswith(f"environment variable {variable}: sets nothing; ")
    assert advice in problem


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"RECONCILER_SERVERS": "http://a"}, "RECONCILER_SERVERS: servers: should be a list"),
        ({"RECONCILER_SERVERS": "[" * 5000}, "RECONCILER_SERVERS: servers: should be a list"),
        ({"RECONCILER_SERVERS": '[{"ulr": "http://a", "url": "http://b"}]'}, "servers[0].ulr"),
        ({"RECONCILER_LOST": "5"}, "RECONCILER_LOST: lost: should be a section"),
        ({"RECONCILER_LOST": '{"grace": 5}'}, "RECONCILER_LOST: lost.grace: there is no such"),
        ({"RECONCILER_LOST__GRACE_S": "x"}, "RECONCILER_LOST__GRACE_S: lost.grace_s: should be a"),
    ],
)
def test_a_wrong_variable_is_named(problems: Problems, environ: dict[str, str], words: str) -> None:
    (problem,) = problems("lost: {confirmations: 2}", environ)
    assert words in problem


def test_the_variable_that_is_named_is_the_one_that_set_the_value(problems: Problems) -> None:
    environ = {"RECONCILER_LOST": '{"confirmations": 0}', "RECONCILER_LOST__GRACE_S": "0"}
    whole, single = problems(environ=environ)
    assert whole.startswith("environment variable RECONCILER_LOST: lost.confirmations: ")
    assert single.startswith("environment variable RECONCILER_LOST__GRACE_S: lost.grace_s: ")


def test_variables_that_kubernetes_makes_are_passed_over(problems: Problems) -> None:
    links = {
        "RECONCILER_SERVICE_HOST": "10.0.0.1",
        "RECONCILER_SERVICE_PORT_HTTP": "80",
        "RECONCILER_PORT": "tcp://10.0.0.1:80",
        "RECONCILER_PORT_80_TCP_ADDR": "10.0.0.1",
        "RECONCILER_DB_SERVICE_PORT": "5432",
        "RECONCILER_DB_PORT_5432_TCP_PROTO": "tcp",
    }
    (only,) = problems(environ={**links, "RECONCILER_DB_PORTS": "1"})
    assert "RECONCILER_DB_PORTS" in only


def test_the_key_that_breaks_out_of_the_line_is_escaped(problems: Problems) -> None:
    (problem,) = problems('"a\\n\\e[31mb": 1\n"' + "x" * 500 + '": 1\n')[:1]
    assert r"'a\n\x1b[31mb'" in problem
    assert all(len(line) < 400 for line in problems('"' + "x" * 500 + '": 1\n'))
