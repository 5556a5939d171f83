"""Settings put into a file: what else is in it stays as it is."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adopt.changes import Line, plain
from reconciler.adopt.edit import edited
from reconciler.errors import SettingsError

WANTED = {
    "database": {"jobs_table": Line("studio.jobs", "table, 12 columns")},
    "jobs": {
        "columns": {
            "prompt_id": Line(False, "there is none"),
            "frames": Line({"column": "params", "path": ["video", "frames"]}, "inside json"),
        },
        "statuses": {"queued": Line(["PENDING", "no"], "in 3 rows")},
    },
}
MEANS = plain(WANTED)

COMMENTED = """\
# Ours.
servers:
    - url:   http://gpu1:8188      # the big one
      output_dir: '/srv/out'

database:
  # Rather in the environment.
  url: postgresql://app@db/prod   # no password

# gpu1 is a network mount.
watch: {observer: auto}
"""


#: Each reads YAML many times.
few = settings(max_examples=40, deadline=None)


def merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}


def test_an_empty_file_gets_sections_with_reasons() -> None:
    assert edited("", WANTED) == (
        "database:\n"
        "  # table, 12 columns\n"
        "  jobs_table: studio.jobs\n"
        "jobs:\n"
        "  columns:\n"
        "    # there is none\n"
        "    prompt_id: false\n"
        "    # inside json\n"
        "    frames: {column: params, path: [video, frames]}\n"
        "  statuses:\n"
        "    # in 3 rows\n"
        '    queued: [PENDING, "no"]\n'
    )


def test_a_commented_file_keeps_every_line() -> None:
    new = edited(COMMENTED, WANTED)
    changed = difflib.ndiff(COMMENTED.splitlines(), new.splitlines())
    assert not [line for line in changed if line.startswith("- ")]
    # Beside its own section, not behind the comment of the next one.
    lines = new.splitlines()
    assert lines.index("  jobs_table: studio.jobs") < lines.index("# gpu1 is a network mount.")
    assert yaml.safe_load(new) == merged(yaml.safe_load(COMMENTED), MEANS)


FILES = {
    "only comments": "# nothing\n# jobs:\n",
    "no newline at the end": "log: {level: debug}",
    "json": '{"servers": [{"url": "http://x:1"}], "database": {"url": "postgresql://a@b/c"}}',
    "empty json": "{}",
    "an empty section": "jobs:\ndatabase:\n  # jobs_table: x\nlog:\n  level: info\n",
    "a null section": "jobs: null\ndatabase: ~\n",
    "a section in one line": "jobs: {columns: {id: id}, progress: fraction}\nlog: {}\n",
    "a value to replace": "database:\n  jobs_table: old  # why\njobs: {columns: {prompt_id: x}}\n",
    "a value over lines": "jobs:\n  statuses:\n    queued:\n    - a\n    - b\n    failed: [f]\n",
    "a text at the end": "jobs:\n  timezone: |-\n    UTC\n\n# after\n",
    "windows": "jobs:\r\n  columns:\r\n    id: n\r\n",
    "comments between": "jobs:\n  columns:\n    id: n\n    # of status\n    status: s\n  # more\n"
    "  statuses:\n    failed: [f]\n",
    "tabs and blanks": "jobs:  \n  progress: percent   \n\n\n",
    "start marker": "---\nlog:\n  level: info\n...\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_every_kind(name: str) -> None:
    old = FILES[name]
    try:
        new = edited(old, WANTED)
    except SettingsError as error:
        assert name == "start marker"
        assert "jobs_table: studio.jobs" in str(error)
        return
    assert yaml.safe_load(new) == merged(yaml.safe_load(old) or {}, MEANS)
    for line in (line for line in old.splitlines() if line.strip().startswith("#")):
        assert line in new.splitlines()
    assert edited(new, WANTED) == new


@pytest.mark.parametrize("old", ["jobs: &a {x: 1}\nother: *a\n", "jobs: [1]\n", "jobs: text\n"])
def test_what_cannot_be_changed_safely_is_refused(old: str) -> None:
    with pytest.raises(SettingsError):
        edited(old, WANTED)


@pytest.mark.parametrize("text", ["yes", "null", "1", "a: b", "#x", "", " x", "é", "x\n- y", "*"])
def test_texts_come_back_as_they_were(text: str) -> None:
    wanted = {
        "jobs": {"columns": {"id": Line(text, "why")}, "statuses": {"failed": Line([text], "")}}
    }
    read = yaml.safe_load(edited("", wanted))
    assert read == {"jobs": {"columns": {"id": text}, "statuses": {"failed": [text]}}}


@few
@given(st.text(), st.text())
def test_no_name_and_no_reason_breaks_out_of_its_line(name: str, reason: str) -> None:
    wanted = {"jobs": {"columns": {"id": Line(name, reason)}}}
    assert yaml.safe_load(edited(COMMENTED, wanted))["jobs"] == {"columns": {"id": name}}


KEYS = st.sampled_from(["jobs", "columns", "statuses", "database", "id", "a b", "0", "yes"])
COMMENTS = st.sampled_from(["", "  # why", "\n# a line of its own", "\n\n"])


@st.composite
def documents(draw: st.DrawFn, depth: int = 0) -> str:
    """YAML as people write it: block style, comments anywhere."""
    lines = []
    for key in draw(st.lists(KEYS, unique=True, min_size=1, max_size=3)):
        indent = "  " * depth
        shown = f"{indent}{key!r}:" if key in ("0", "yes") else f"{indent}{key}:"
        if depth < 2 and draw(st.booleans()):
            lines.append(f"{shown}{draw(COMMENTS)}\n{draw(documents(depth + 1))}")
        else:
            value = draw(st.sampled_from(["1", "text", "[a, 'b']", "{x: 1}", "null", ""]))
            lines.append(f"{shown} {value}{draw(COMMENTS)}")
    return "\n".join(lines)


@few
@given(documents())
def test_whatever_people_wrote_stays(old: str) -> None:
    """The result means the old file and the new settings; no comment is lost; twice is once."""
    try:
        new = edited(old, WANTED)
    except SettingsError:
        assert any(not isinstance(v, dict | None) for v in _sections(yaml.safe_load(old)))
        return
    assert yaml.safe_load(new) == merged(yaml.safe_load(old), MEANS)
    assert new.count("# a line of its own") == old.count("# a line of its own")
    assert edited(new, WANTED) == new


def _sections(read: Any) -> list[Any]:
    jobs = read.get("jobs")
    inner = [jobs.get("columns"), jobs.get("statuses")] if isinstance(jobs, dict) else []
    return [jobs, read.get("database"), *inner]
