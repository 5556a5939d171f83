"""The commands that look: the real console script, 80 columns, no colours."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.evidence import FileState
from reconciler.store.outputs import OutputRecord
from reconciler.store.records import Event
from tests.integration.commands import HOSTILE, Stage, fits, is_plain, joined, reconciler, start


@pytest.fixture
def stage(database: str) -> Iterator[Stage]:
    stage = Stage(database)
    yield stage
    stage.close()


def look(stage: Stage, *arguments: str) -> str:
    """Runs a command that has to succeed; returns its data."""
    done = reconciler(*arguments, "--database", stage.url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_status_shows_open_jobs_first_and_fits_the_screen(stage: Stage) -> None:
    now = stage.now()
    stage.server("gpu1", answered_at=now)
    stage.server(
        "gpu2", answered_at=now - 400, unreachable_since=now - 400, unreachable_how="refused"
    )
    done = stage.known("completed", {"job_type": "image"}, server="gpu1")
    failed = stage.known(
        "failed", {"job_type": "a_very_long_type_of_job"}, failure="lost", server="gpu1"
    )
    stage.tell(
        failed, Event("status", "neither in the queue nor in history, " * 9, to_status="failed")
    )
    second = stage.known("queued", server="gpu1", queue_position=2)
    first = stage.known("queued", server="gpu1", queue_position=1)
    running = stage.known("processing", server="gpu1", progress=45, eta_s=372.0, reason="it runs")
    new = stage.insert(status="queued")

    shown = look(stage, "status")

    lines = shown.splitlines()
    assert lines[0].startswith("gpu2 has not answered for 6 min 4")
    header = next(i for i, line in enumerate(lines) if line.startswith("job"))
    ids = [line.split()[0] for line in lines[header + 1 :]]
    assert ids == [running, first, second, new, failed, done]
    assert "━━━────  45%  6m" in shown
    assert "queue #1" in shown
    assert "lost: neither in" in shown
    assert fits(shown)
    assert is_plain(shown)


def test_status_leaves_out_what_has_no_room_or_no_content(stage: Stage) -> None:
    stage.sql("drop table production_jobs")
    stage.sql(
        "create table production_jobs"
        " (id uuid primary key, status text, comfyui_job_id text, job_type text)"
    )
    key = "11111111-2222-3333-4444-555555555555"
    stage.insert(id=key, status="failed", job_type="text2video")
    stage.sql(
        "insert into reconciler.job_state (job_id, known_status, failure, server)"
        " values (%s, 'failed', 'lost', 'gpu')",
        key,
    )
    stage.tell(key, Event("status", "neither in the queue nor in history", to_status="failed"))
    header, line = look(stage, "status").splitlines()
    assert header.split() == ["job", "status", "age", "reason"]
    assert line.split()[:2] == [key, "failed"]
    assert "lost: neither" in line
    assert fits(line)


def test_status_shows_the_first_jobs_and_says_how_many_more(stage: Stage) -> None:
    for _ in range(30):
        stage.insert(status="completed")
    done = reconciler("status", "--database", stage.url)
    assert len(done.stdout.splitlines()) == 1 + 25
    assert "5 more: reconciler status --all" in done.stderr
    everything = reconciler("status", "--all", "--database", stage.url)
    assert len(everything.stdout.splitlines()) == 1 + 30
    assert everything.stderr == ""


def test_status_of_an_empty_table_says_so_on_stderr(stage: Stage) -> None:
    done = reconciler("status", "--database", stage.url)
    assert (done.returncode, done.stdout) == (0, "")
    assert "No jobs in production_jobs yet" in done.stderr


def test_status_asks_whether_the_service_runs_where_nobody_looks(stage: Stage) -> None:
    stage.server("gpu1", answered_at=stage.now() - 3600)
    stage.insert(status="queued")
    assert "is the service running" in joined(look(stage, "status"))


def test_status_as_json(stage: Stage) -> None:
    stage.server("gpu1", version="0.33.0", answered_at=0.0)
    job = stage.known("processing", {"frames": 72}, progress=10, server="gpu1", attempt=2)
    shown = json.loads(look(stage, "status", "--json"))
    assert [server["name"] for server in shown["servers"]] == ["gpu1"]
    assert shown["servers"][0]["answered_at"] == "1970-01-01T00:00:00.000+00:00"
    (only,) = shown["jobs"]
    expected = {"id": job, "status": "processing", "progress": 10, "frames": 72, "attempt": 2}
    assert expected.items() <= only.items()


def test_status_of_one_job_tells_all_that_is_known(stage: Stage) -> None:
    stage.server("gpu1", version="0.33.0", answered_at=stage.now())
    job = stage.known(
        "failed",
        {"output_path": "/out/a.mp4", "frames": 72},
        failure="invalid_output",
        server="gpu1",
    )
    stage.tell(job, Event("status", "a.mp4: 71 of 72 frames", to_status="failed"))
    stage.prompt(job, "prompt-1", server="gpu1", running_since=0.0, ever_seen=True)
    inspection = {
        "media": "video", "frames": 71, "fps": 24.0, "duration_s": 2.95, "width": 64, "height": 48,
        "codec": "h264", "container": "mp4", "defects": [{"kind": "frames", "detail": "71 of 72"}],
    }  # fmt: skip
    stage.store.outputs.save(
        OutputRecord(Path("/out/a.mp4"), "gpu1", 1, 1, 1, inspection, FileState.UNSOUND, job_id=job)
    )
    shown = look(stage, "status", job)
    for words in (
        "failed: invalid_output",
        "a.mp4: 71 of 72 frames",
        "72 in the row",
        "(http://gpu1.invalid:8188, ComfyUI 0.33.0, answered",
        "prompt-1, on gpu1, running since",
        "unsound: 71 of 72 (to be confirmed by a second inspection)",
        "71 frames, 24 fps, 2.95 s, 64x48, h264, in mp4",
    ):
        assert words in joined(shown)
    assert fits(shown)
    told = json.loads(look(stage, "status", job, "--json"))
    assert told["prompts"][0]["prompt_id"] == "prompt-1"
    assert told["outputs"][0]["defects"] == inspection["defects"]
    assert told["server_seen"]["version"] == "0.33.0"


@pytest.mark.parametrize("command", ["status", "explain", "watch"])
def test_no_such_job(stage: Stage, command: str) -> None:
    for job in ("7", "no number", "9" * 30):
        done = reconciler(command, job, "--database", stage.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"there is no job '{job}' in production_jobs" in done.stderr


def test_explain_tells_the_story_in_order_and_what_comes_next(stage: Stage) -> None:
    now = stage.now()
    stage.server("gpu1", answered_at=now)
    job = stage.known("processing", {"frames": 10}, rule="missing_briefly", reason="not found now")
    stage.tell(job, Event("seen", "seen first"))
    stage.prompt(job, "prompt-1", server="gpu1", missing_looks=1, missing_since=now - 10)
    stage.tell(
        job,
        Event("status", "it runs", "queued", "processing", evidence={"prompt_id": "prompt-1"}),
    )
    stage.tell(
        job,
        Event(
            "stage", "not found now", rule="missing_briefly",
            evidence={"place": "absent", "server": "gpu1", "missing_looks": 1, "novel": [1]},
        ),
    )  # fmt: skip
    shown = look(stage, "explain", job)
    told = [
        "10 frames in its row",
        "seen first",
        "linked to prompt prompt-1",
        "queued → processing",
        "it runs",
        "· not found on gpu1",
        "· missed by 1 clean look",
        "· novel: [1]",
        "Now   processing: not found now",
        "Next  It will be called lost after",
        "3 clean looks (1 so far)",
    ]
    places = [joined(shown).find(joined(words)) for words in told]
    assert -1 not in places
    assert places == sorted(places)
    assert shown.count("prompt-1") == 1
    assert fits(shown)
    assert "is the service running" not in shown


def test_hostile_text_reaches_no_terminal(stage: Stage) -> None:
    job = stage.known(
        "failed",
        {"job_type": HOSTILE, "error": HOSTILE, "output_path": HOSTILE, "comfyui_job_id": HOSTILE},
        failure="execution_error", server=HOSTILE,
    )  # fmt: skip
    stage.server(HOSTILE, version=HOSTILE, unreachable_since=0.0, unreachable_how=HOSTILE)
    evidence = {HOSTILE: HOSTILE, "prompt_id": HOSTILE, "outputs": [{"path": HOSTILE}]}
    stage.tell(job, Event("status", HOSTILE, HOSTILE, HOSTILE, evidence=evidence))
    stage.prompt(job, HOSTILE, server=HOSTILE, client_id=HOSTILE)
    for arguments in (["status"], ["status", job], ["explain", job]):
        shown = look(stage, *arguments)
        assert is_plain(shown)
        assert fits(shown)
        assert "[red]bad[/red] [/] :boom:" in joined(shown) or arguments == ["status"]
    assert "Do A node of the workflow raised an error" in " ".join(shown.split())
    watched = reconciler("watch", job, "--database", stage.url)
    assert is_plain(watched.stdout + watched.stderr)
    missing = reconciler("status", HOSTILE, "--database", stage.url)
    assert missing.returncode == 2
    assert is_plain(missing.stderr)
    assert json.loads(look(stage, "status", job, "--json"))["error"] == HOSTILE


def test_an_unknown_option_is_shown_plain_too() -> None:
    done = reconciler("status", f"--{HOSTILE}")
    assert done.returncode == 2
    assert is_plain(done.stderr)
    assert "Try 'reconciler status --help'." in done.stderr


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("completed", 0, "completed: /out/a.mp4"),
        ("failed", 1, "failed"),
        ("cancelled", 1, "cancelled"),
    ],
)
def test_watch_tells_how_a_job_ended(stage: Stage, status: str, code: int, words: str) -> None:
    job = stage.known("processing", server="gpu1", progress=5)
    process = start("watch", job, "--database", stage.url)
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        assert process.stderr.readline() == f"{job} processing on gpu1 5%\n"
        stage.end(job, status, output_path="/out/a.mp4")
        assert process.stdout.readline().startswith(f"{job} {words}")
        assert process.wait(20.0) == code


def test_watch_notices_a_row_that_is_deleted(stage: Stage) -> None:
    job = stage.insert(status="queued")
    process = start("watch", job, "--database", stage.url)
    assert process.stderr is not None
    with process:
        assert "queued" in process.stderr.readline()
        stage.sql("delete from production_jobs")
        assert process.wait(20.0) == 2


def test_watch_ends_with_130_on_ctrl_c(stage: Stage) -> None:
    job = stage.insert(status="queued")
    process = start("watch", job, "--database", stage.url)
    assert process.stderr is not None
    with process:
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20.0) == 130
        assert process.stderr.read() == ""


def test_a_reader_that_goes_away_is_no_error(stage: Stage) -> None:
    stage.sql(
        "insert into production_jobs (status) select 'completed' from generate_series(1, 2000)"
    )
    process = start("status", "--all", "--database", stage.url)
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdout.close()
        assert process.wait(20.0) == 141
        assert process.stderr.read() == ""


def test_a_database_that_nobody_prepared(database: str) -> None:
    empty = reconciler("status", "--database", database)
    assert empty.returncode == 3
    assert "there is no table production_jobs" in empty.stderr
    Stage(database).close()
    stage = Stage(database)
    stage.sql("drop schema reconciler cascade")
    stage.close()
    assert reconciler("status", "--database", database).returncode == 3


def test_an_unreachable_database_is_one_clear_message() -> None:
    url = "postgresql://me:se?cret@127.0.0.1:1/nowhere"
    done = reconciler("status", "--database", url)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: database user=me password=*** dbname=nowhere")
    assert "Traceback" not in done.stderr
    everything = reconciler("status", "--database", url, "--log-level", "debug")
    assert "Traceback" in everything.stderr
    assert "cret" not in done.stderr + everything.stderr
