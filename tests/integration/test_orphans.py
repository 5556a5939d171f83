"""`reconciler orphans`, over a real database; and what it costs where there are many files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.evidence import FileState
from reconciler.store.outputs import Noted, OutputRecord
from tests.integration.claims import P1, P2, STRANGE
from tests.integration.commands import HOSTILE, Stage, fits, is_plain, joined, reconciler


class Files(Stage):
    """A stage with files that were seen."""

    def __init__(self, url: str, root: Path) -> None:
        super().__init__(url)
        self.root = root

    def see(self, name: str, *, age_s: float = 0.0, exists: bool = True, **known: Any) -> Path:
        """A file of 1234 bytes, changed so long ago, as its inspection found it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if exists:
            path.touch()
        values: dict[str, Any] = {"server": "gpu", "verdict": FileState.SOUND, "inspection": {}}
        values |= known
        changed_ns = int((self.now() - age_s) * 1e9)
        self.store.outputs.save(
            OutputRecord(path=path, size_bytes=1234, mtime_ns=changed_ns, inode=1, **values)
        )
        return path

    def orphans(self, *arguments: str) -> str:
        """What the command shows."""
        done = reconciler("orphans", "--database", self.url, *arguments)
        assert done.returncode == 0, done.stderr
        assert "--json" in arguments or fits(done.stdout)
        assert is_plain(done.stdout)
        return done.stdout

    def listed(self, *arguments: str) -> list[str]:
        """The files that it lists, in order."""
        shown = json.loads(self.orphans("--json", *arguments))
        return [Path(one["path"]).name for one in shown["orphans"]]

    def names(self) -> list[str]:
        """The orphans, the newest first."""
        return [one.path.name for one in self.store.outputs.orphans(None)[0]]


@pytest.fixture
def files(database: str, tmp_path: Path) -> Iterator[Files]:
    files = Files(database, tmp_path)
    yield files
    files.close()


def test_each_is_listed_with_why_the_newest_first(files: Files) -> None:
    first, second = (files.known("processing", {"comfyui_job_id": p}) for p in (P1, P2))
    files.prompt(first, P1)
    files.prompt(second, P2)
    contested = files.see("contested.png", age_s=60)
    for prompt_id in (P1, P2):
        files.store.outputs.note_listing(prompt_id, {contested: Noted(reused=False)})
    files.see("plain.png", age_s=7200)
    files.see("gone.png", age_s=90_000, exists=False, tag_job_id=first, tag_prompt_id=STRANGE)
    shown = files.orphans()
    assert joined(shown).startswith("age size file 1m 1.2 kB ")
    words = _unbroken(shown)
    assert words.index("contested.png") < words.index("plain.png") < words.index("gone.png")
    for said in (
        f"contested.png claimed by jobs {first} and {second}, and nothing in it tells whose it is",
        "plain.png no tag, and no prompt that is known lists it",
        "gone.png (no longer there)",
        f"its tag names job {first}, but its prompt {STRANGE} is none of that job's",
    ):
        assert _unbroken(said) in words
    assert words.count(_unbroken("no longer there")) == 1
    assert (files.root / "contested.png").exists(), "nothing is ever deleted"


def _unbroken(text: str) -> str:
    """Without spaces and line ends: long paths are broken anywhere."""
    return "".join(text.split())


def test_for_programs(files: Files) -> None:
    path = files.see("a.png", tag_job_id="99", named_job_id="98")
    shown = json.loads(files.orphans("--json"))
    (one,) = shown.pop("orphans")
    assert shown == {"total": 1}
    assert one.pop("changed_at").endswith("+00:00")
    assert one == {
        "path": str(path),
        "server": "gpu",
        "size_bytes": 1234,
        "exists": True,
        "sound": True,
        "verdict": "sound",
        "why": "unknown_job",
        "detail": "its tag names job 99, which is not in this database",
        "claimed_by": [],
        "tag": {"job_id": "99", "prompt_id": None},
        "name": {"job_id": "98", "prompt_id": None},
    }


def test_no_orphans_is_no_failure(files: Files) -> None:
    done = reconciler("orphans", "--database", files.url)
    assert (done.returncode, done.stdout) == (0, "")
    assert "No orphans" in done.stderr
    assert json.loads(files.orphans("--json")) == {"orphans": [], "total": 0}


def test_the_list_is_bounded_and_says_how_many_more(files: Files) -> None:
    for number in range(28):
        files.see(f"{number:02}.png", age_s=number)
    done = reconciler("orphans", "--database", files.url)
    assert done.stdout.count("no tag") == 25
    assert "3 more: --all lists them" in done.stderr
    assert files.listed("--all") == [f"{number:02}.png" for number in range(28)]
    assert json.loads(files.orphans("--json"))["total"] == 28


def test_since_when(files: Files) -> None:
    files.see("new.png", age_s=60)
    files.see("old.png", age_s=3 * 86_400)
    assert files.listed("--since", "1h") == ["new.png"]
    assert files.listed("--since", "1w") == ["new.png", "old.png"]


def test_of_one_server(files: Files) -> None:
    files.server("gpu")
    files.server("other")
    files.see("a.png")
    files.see("b.png", server="other")
    assert files.listed("--server", "other") == ["b.png"]
    assert "server" in files.orphans().splitlines()[0]
    assert "server" not in files.orphans("--server", "gpu").splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "yesterday"], "write how long ago (90min, 24h, 7d) or a date"),
        (["--since", "2026-13-01"], "write how long ago"),
        (["--server", "gpu7"], "no server 'gpu7' was ever seen; known are: gpu"),
    ],
)
def test_what_cannot_be_done(files: Files, arguments: list[str], words: str) -> None:
    files.server("gpu")
    done = reconciler("orphans", "--database", files.url, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in joined(done.stderr)


def test_hostile_names_and_tags_are_shown_as_text(files: Files) -> None:
    name = HOSTILE.replace("/", "|") + ".png"
    files.see(name, tag_job_id=HOSTILE, tag_prompt_id=HOSTILE)
    words = joined(files.orphans())
    assert r"\x1b[31mred" in words
    assert "[red]bad[/red]" in words
    shown = json.loads(files.orphans("--json"))
    assert Path(shown["orphans"][0]["path"]).name == name


def test_a_file_and_its_siblings_are_shown_with_the_job(files: Files) -> None:
    job = files.known("completed")
    group = files.root / "clip_00001"
    still = files.see("clip_00001.png", group=group)
    video = files.see("clip_00001-audio.mp4", group=group)
    assert files.names() == ["clip_00001-audio.mp4", "clip_00001.png"]
    files.store.outputs.attribute({video: P1}, job)
    silent = files.see("clip_00001.mp4", group=group)
    assert files.names() == []
    done = reconciler("status", job, "--json", "--database", files.url)
    outputs = json.loads(done.stdout)["outputs"]
    assert {one["path"] for one in outputs} == {str(p) for p in (still, video, silent)}
    assert {one["prompt_id"] for one in outputs} == {P1}


def test_a_group_of_two_jobs_is_no_group(files: Files) -> None:
    first, second = files.known("completed"), files.known("completed")
    group = files.root / "clip_00001"
    files.store.outputs.attribute({files.see("clip_00001.mp4", group=group): P1}, first)
    other = files.see("clip_00001.gif", job_id=second, prompt_id=P2)
    files.sql("update reconciler.outputs set group_key = %s", str(group).encode())
    late = files.see("clip_00001.png", group=group)
    known = files.store.outputs.known([late, other])
    assert (known[late].job_id, known[other].job_id) == (None, second)


def test_many_files_are_found_by_indexes(files: Files) -> None:
    """However many there are: what is asked in every pass reads no whole table."""
    files.sql(
        "insert into reconciler.outputs (path, server, job_id, size_bytes, mtime_ns, inode,"
        " inspection, verdict, tag_job_id, tag_prompt_id, group_key)"
        " select ('/big/' || n)::bytea, 'gpu', (n % 3 = 0)::text, 1, n, n, '{}', 'sound',"
        " (n % 500)::text, 'p' || n, ('/big/' || n / 3)::bytea from generate_series(1, 20000) n"
    )
    files.sql("analyze reconciler.outputs")
    before = _rows_read(files)
    assert len(files.store.outputs.claimed("7", ["p1", "p2"])) >= 40
    files.store.outputs.claims([Path("/big/1")])
    files.store.outputs.attribute({Path("/big/1"): "p1"}, "7")
    assert _rows_read(files) - before == 0


def _rows_read(files: Files) -> int:
    """Rows of outputs that were read without an index, by all who are done."""
    files.sql("select pg_stat_force_next_flush()")
    files.store.outputs._connection.close()
    (row,) = files.sql(
        "select coalesce(sum(seq_tup_read), 0)::int as number from pg_stat_user_tables"
        " where relname = 'outputs'"
    )
    return int(row["number"])
