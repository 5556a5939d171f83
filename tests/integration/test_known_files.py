"""Answers about files: known again under another name, not for ever; and what a row says then."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from reconciler.cli.media import output_words
from reconciler.core.policy import Policy
from reconciler.errors import OutputError
from reconciler.outputs.inspection import Defect, Inspection
from reconciler.outputs.progress import OnProgress, Progress
from reconciler.outputs.wanted import Wanted
from reconciler.reconcile import files
from reconciler.store import migrations, open_store
from tests.integration.commands import reconciler
from tests.integration.manifests import manifest, output, write
from tests.integration.reconciling import QUICK, Bench, inspect_here, success
from tests.waiting import wait_for

P1 = "11111111-1111-4111-8111-111111111111"


class Inspector:
    """Inspects, and knows what it inspected; `found` changes what it says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.changes: dict[str, object] = {}

    def __call__(self, path: Path, wanted: Wanted, on_progress: OnProgress) -> Inspection:
        self.asked.append(path.name)
        return replace(inspect_here(path, wanted, on_progress), **self.changes)


def bench_of(database: str, folder: Path, policy: Policy = QUICK, **how: object) -> Bench:
    bench = Bench(database, folder, policy=policy, **how)  # type: ignore[arg-type]
    bench.inspect = Inspector()
    return bench


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = bench_of(database, tmp_path)
    yield bench
    bench.close()


def asked(bench: Bench) -> list[str]:
    assert isinstance(bench.inspect, Inspector)
    return bench.inspect.asked


def look(bench: Bench, path: Path, server: str = "gpu", *, urgent: bool = True) -> files.Answer:
    """The state of a file, once its inspection has answered."""
    book = bench.gatherer.servers[server].book
    book.look_up(path, urgent=urgent)
    bench.settle()
    return book.look_up(path, urgent=urgent)


def picture(bench: Bench, name: str, server: str = "gpu") -> Path:
    bench.image(name, server)
    return bench.roots[server].resolve() / name


def test_a_file_that_was_moved_is_not_decoded_again(bench: Bench) -> None:
    old = picture(bench, "a.png")
    first = look(bench, old).record
    new = old.parent / "kept" / "b.png"
    new.parent.mkdir()
    old.rename(new)
    record = look(bench, new).record
    assert asked(bench) == ["a.png"]
    assert first is not None
    assert record is not None
    assert (record.path, record.verdict) == (new, "sound")
    assert record.inspection == json.loads(json.dumps(first.inspection))
    stored = bench.sql("select path, thumbnail is not null as shown from reconciler.outputs")
    assert sorted(bytes(row["path"]).decode() for row in stored) == [str(old), str(new)]
    assert all(row["shown"] for row in stored)


def test_a_second_servers_path_to_the_same_file(database: str, tmp_path: Path) -> None:
    bench = bench_of(database, tmp_path, names=("gpu", "other"))
    path = picture(bench, "a.png")
    linked = bench.roots["other"].resolve() / "a.png"
    linked.hardlink_to(path)
    look(bench, path)
    record = look(bench, linked, "other").record
    assert asked(bench) == ["a.png"]
    assert record is not None
    assert record.server == "other"
    bench.close()


def test_damage_is_known_again_and_still_confirmed_by_a_second_inspection(bench: Bench) -> None:
    old = picture(bench, "a.png")
    old.write_bytes(old.read_bytes()[:-30])
    book = bench.gatherer.servers["gpu"].book
    book.look_up(old)
    bench.settle()
    new = old.with_name("b.png")
    old.rename(new)
    book.look_up(new)
    bench.settle()
    assert asked(bench) == ["a.png"]
    record = look(bench, new).record
    assert asked(bench) == ["a.png", "b.png"]
    assert record is not None
    assert record.confirmed


def test_what_could_not_be_judged_was_not_damaged_before(bench: Bench) -> None:
    path = picture(bench, "a.png")
    assert isinstance(bench.inspect, Inspector)
    for words, confirmed in (("unjudged", False), ("defects", False), ("defects", True)):
        said = "no decoder" if words == "unjudged" else (Defect("decode", "the decoder crashed"),)
        bench.inspect.changes = {words: said}
        bench.gatherer.servers["gpu"].book.look_up(path)
        bench.settle()
        record = bench.store.outputs.known([path])[path]
        assert (record.verdict == "unjudged") is (words == "unjudged")
        assert record.confirmed is confirmed


def test_another_file_another_time_or_another_ending_is_inspected(bench: Bench) -> None:
    path = picture(bench, "a.png")
    look(bench, path)
    copy = path.with_name("copy.png")
    copy.write_bytes(path.read_bytes())
    assert look(bench, copy).state == "sound"
    wrong = path.with_name("a.mp4")
    path.rename(wrong)
    assert look(bench, wrong).state == "unsound"
    assert asked(bench)[:3] == ["a.png", "copy.png", "a.mp4"]


@pytest.mark.parametrize("change", ["version", "wanted"])
def test_what_other_checks_said_stands_until_a_verdict_waits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = picture(bench, "a.png")
    look(bench, path)
    if change == "version":
        monkeypatch.setattr(files, "CHECKS_VERSION", files.CHECKS_VERSION + 1)
    else:
        bench.gatherer.servers["gpu"].book._wanted = Wanted(near_empty=True)
    assert look(bench, path, urgent=False).state == "sound"
    assert asked(bench) == ["a.png"]
    assert look(bench, path).state == "sound"
    assert look(bench, path).state == "sound"
    assert asked(bench) == ["a.png", "a.png"]


@pytest.mark.parametrize("refuse", [False, True])
def test_a_file_that_nothing_can_judge(database: str, tmp_path: Path, refuse: bool) -> None:
    bench = bench_of(database, tmp_path, replace(QUICK, unjudged_completes=not refuse))
    assert isinstance(bench.inspect, Inspector)
    bench.inspect.changes = {"unjudged": "no decoder for vvc", "frames": None}
    job = bench.insert(comfyui_job_id=P1, frames=72)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(5)
    row, why = bench.row(job), "a.png cannot be judged (no decoder for vvc)"
    assert row["status"] == ("failed" if refuse else "completed")
    lead = "unjudged_output: " if refuse else "warning: "
    assert row["error"].startswith(f"{lead}{why}")
    told = bench.store.jobs.story(job)[-1].event
    assert why in told.reason
    assert told.evidence["outputs"][0]["unjudged"] == "no decoder for vvc"  # type: ignore[index]
    view = bench.store.views.one(job)
    assert view is not None
    assert view.warned is not refuse
    for command in ("status", "explain"):
        shown = " ".join(reconciler(command, job, "--database", database).stdout.split())
        assert "no decoder for vvc" in shown
        assert ("completed, with a warning" in shown) is not refuse
    listed = json.loads(reconciler("status", "--json", "--database", database).stdout)
    assert listed["jobs"][0]["warned"] is not refuse
    (record,) = bench.store.outputs.of_job(job)
    assert "not judged: no decoder for vvc" in output_words(record).plain
    bench.close()


def test_a_digest_makes_it_identical_and_is_remembered(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    told = output(bench.root, bench.image("a.png"), digest="sha256")
    write(bench.root, manifest(P1, at=bench.clock.now(), outputs=[told]))
    bench.passes(4)
    assert (
        "whole, identical to what ComfyUI wrote (sha256)"
        in bench.store.jobs.story(job)[-1].event.reason
    )
    (record,) = bench.store.outputs.of_job(job)
    assert record.identical_to == told["digest"]
    assert "sound: identical to what ComfyUI wrote (sha256)" in output_words(record).plain


def test_without_a_digest_it_is_never_called_identical(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    assert "1 output decodes whole" in bench.store.jobs.story(job)[-1].event.reason
    (record,) = bench.store.outputs.of_job(job)
    assert "sound: decodes whole" in output_words(record).plain
    assert "identical" not in output_words(record).plain


def test_flags_of_its_content_are_told_and_change_nothing(bench: Bench) -> None:
    assert isinstance(bench.inspect, Inspector)
    bench.inspect.changes = {"warnings": (Defect("black", "black from end to end"),)}
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    shown = reconciler("explain", job, "--database", bench.url).stdout
    assert "warning: black from end to end" in " ".join(shown.split())


def test_a_row_says_why_a_file_cannot_be_checked(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    name = bench.image("a.png")

    def denied(path: Path, wanted: Wanted, on_progress: OnProgress) -> Inspection:
        raise OutputError(f"{path} cannot be opened: Permission denied")

    bench.inspect = denied
    bench.server.end(P1, success(name))
    bench.passes(2)
    view = bench.store.views.one(job)
    assert view is not None
    assert view.reason is not None
    assert view.reason.startswith("a.png: cannot be opened: Permission denied; tried once; 1 of 1")
    assert "Permission denied" in reconciler("status", job, "--database", bench.url).stdout


def test_a_row_says_how_far_a_long_check_is(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    told, may_end = threading.Event(), threading.Event()

    def slow(path: Path, wanted: Wanted, on_progress: OnProgress) -> Inspection:
        on_progress(Progress(310.0, of_s=740.0))
        told.set()
        assert may_end.wait(20)
        return inspect_here(path, wanted, on_progress)

    bench.inspect = slow
    bench.server.end(P1, success(bench.image("a.png")))
    bench.reconciler.run_pass()
    assert told.wait(20)
    bench.reconciler.run_pass()
    view = bench.store.views.one(job)
    assert view is not None
    assert view.reason is not None
    assert view.reason.startswith("a.png: 41 % checked (310 of 740 s); 1 of 1 outputs")
    may_end.set()
    bench.passes(2)
    assert bench.says(job) == ("completed", None)


def test_ten_small_files_do_not_wait_for_a_film(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, may_end = picture(bench, "film.png"), threading.Event()
    monkeypatch.setattr(files, "SMALL_BYTES", 4000)
    film.write_bytes(film.read_bytes() + bytes(5000))
    began = threading.Event()

    def inspect(path: Path, wanted: Wanted, on_progress: OnProgress) -> Inspection:
        if path == film:
            began.set()
            assert may_end.wait(20)
        return inspect_here(path, wanted, on_progress)

    bench.inspect = inspect
    book = bench.gatherer.servers["gpu"].book
    book.look_up(film)
    assert began.wait(20)
    small = [picture(bench, f"{number}.png") for number in range(10)]
    wait_for(lambda: all(book.look_up(p).state == "sound" for p in small), "small ones are checked")
    assert book.look_up(film).state == "unchecked"
    may_end.set()
    bench.settle()


def test_answers_of_before_are_taken_over(database: str) -> None:
    folder = Path(migrations.__path__[0]) / "versions"
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("create schema reconciler")
        for name in ("0001_initial", "0002_inside_comfyui"):
            cursor.execute((folder / f"{name}.sql").read_text(encoding="utf-8"))
        cursor.execute("create table reconciler.migrations (version_num varchar(32) primary key)")
        cursor.execute("insert into reconciler.migrations values ('0002')")
        cursor.execute(
            "insert into reconciler.outputs"
            " (path, server, size_bytes, mtime_ns, inode, inspection, sound)"
            " values ('/a.png', 'gpu', 1, 1, 1, '{}', true),"
            " ('/b.png', 'gpu', 1, 1, 2, '{}', false)"
        )
    connection.close()
    store = open_store(database)
    known = store.outputs.known([Path("/a.png"), Path("/b.png")])
    verdicts = {
        path.name: (record.verdict, record.checks_version) for path, record in known.items()
    }
    assert verdicts == {"a.png": ("sound", 0), "b.png": ("unsound", 0)}
    store.connection.close()
