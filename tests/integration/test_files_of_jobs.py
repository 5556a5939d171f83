"""Whose file is it, is it there, and what an output directory in trouble may not be blamed for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from reconciler.comfyui.values import QueuedPrompt
from reconciler.outputs.inspect import inspect
from reconciler.outputs.inspection import Inspection
from reconciler.store.records import Write, Written
from tests.integration.reconciling import QUICK, Bench, error, listed, success

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


def tagged(bench: Bench, name: str, job: str, prompt_id: str | None = None) -> Path:
    """A picture that carries its job's tag, inspected because it appeared."""
    path = bench.root.resolve() / name
    info = PngInfo()
    info.add_text("job_id", f'"{job}"')
    if prompt_id is not None:
        info.add_text("prompt_id", f'"{prompt_id}"')
    Image.new("RGB", (32, 32), "blue").save(path, pnginfo=info)
    appears(bench, path)
    return path


def appears(bench: Bench, path: Path) -> None:
    """The watch found the file and had it inspected."""
    bench.gatherer.servers["gpu"].book.look_up(path)
    bench.settle()


def test_a_name_that_is_no_text_is_the_same_name_later(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.image("a.png")
    odd = os.fsdecode(b"caf\xe9\\_00001_.png")
    (bench.root / "a.png").rename(bench.root / odd)
    bench.server.end(P1, success(listed(odd)))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_a_subfolder_as_windows_writes_it(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.image("video/wan/a.png")
    bench.server.end(P1, success(replace(listed("a.png"), subfolder="video\\wan")))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    assert bench.row(job)["output_path"] == str(bench.root / "video/wan/a.png")


def test_the_file_of_one_prompt_proves_no_other(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1, job_id=job)
    bench.server.pending = [QueuedPrompt(P2, 2.0, job_id=job)]
    bench.run_pass()
    tagged(bench, "a.png", job, P1)
    bench.server.end(P1, success(listed("a.png")), job_id=job)
    bench.server.run(P2, job_id=job)
    bench.run_pass()
    bench.server.forget(P2)
    bench.passes(4)
    assert bench.says(job) == ("failed", "lost")


def test_a_file_that_one_prompt_lists_proves_no_other_by_a_bare_tag(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1, job_id=job)
    bench.server.pending = [QueuedPrompt(P2, 2.0, job_id=job)]
    bench.run_pass()
    tagged(bench, "a.png", job)
    bench.server.end(P1, success(listed("a.png")), job_id=job)
    bench.server.run(P2, job_id=job)
    bench.run_pass()
    bench.server.forget(P2)
    bench.passes(4)
    assert bench.says(job) == ("failed", "lost")


def test_no_proof_is_complete_while_files_of_that_time_are_still_to_be_inspected(
    bench: Bench,
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1, job_id=job)
    bench.run_pass()
    files = [tagged(bench, "a.png", job)]
    right, gate = bench.inspect, Event()

    def slowly(*order: Any) -> Inspection:
        gate.wait(30.0)
        return right(*order)

    bench.inspect = slowly
    late = bench.root.resolve() / "b.png"
    late.write_bytes(files[0].read_bytes())
    bench.gatherer.servers["gpu"].book.look_up(late)
    bench.server.forget(P1)
    for _ in range(5):
        bench.reconciler.run_pass()
    assert bench.says(job)[0] == "processing"
    gate.set()
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    assert [o.path for o in bench.store.outputs.of_job(job)] == [*files, late]


def test_two_forgotten_prompts_are_proven_each_by_its_own_file(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1, job_id=job)
    bench.server.pending = [QueuedPrompt(P2, 2.0, job_id=job)]
    bench.run_pass()
    files = [tagged(bench, f"{n}.png", job, p) for n, p in enumerate((P1, P2))]
    bench.server.forget(P1)
    bench.server.forget(P2)
    bench.passes(4)
    assert bench.says(job) == ("completed", None)
    assert [o.path for o in bench.store.outputs.of_job(job)] == files


def test_a_file_that_is_replaced_belongs_to_whoever_wrote_it(bench: Bench) -> None:
    first = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    second = bench.insert(comfyui_job_id=P2)
    bench.server.end(P2, success(bench.image("a.png", color="green")))
    bench.passes(3)
    assert bench.says(first) == bench.says(second) == ("completed", None)
    assert bench.store.outputs.of_job(first) == []
    assert [o.prompt_id for o in bench.store.outputs.of_job(second)] == [P2]


def test_a_file_is_attributed_even_if_the_end_is_sudden(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.run_pass()
    write = bench.store.jobs.write_many

    def write_and_die(writes: Sequence[Write]) -> Written:
        assert write(writes).done
        raise KeyboardInterrupt  # kill -9 after the commit

    bench.store.jobs.write_many = write_and_die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.run_pass()
    assert bench.says(job) == ("completed", None)
    assert [o.path.name for o in bench.store.outputs.of_job(job)] == ["a.png"]


def test_a_server_that_the_settings_no_longer_name_is_no_reason_to_fail(
    database: str, tmp_path: Path
) -> None:
    before = Bench(database, tmp_path)
    job = before.insert(comfyui_job_id=P1)
    before.server.end(P1, success(before.image("a.png")))
    before.run_pass()
    before.close()
    renamed = Bench(database, tmp_path, names=("other",))
    renamed.passes(4)
    assert renamed.says(job) == ("processing", None)
    renamed.close()


def test_an_empty_directory_in_place_of_the_storage_is_not_the_storage(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.sql("update reconciler.servers set output_marker = 'that of the disk'")
    bench.gatherer.servers["gpu"].record.output_dir = str(bench.root.resolve())
    bench.gatherer.servers["gpu"].record.output_marker = "that of the disk"
    bench.gatherer.servers["gpu"]._marker = None
    bench.server.end(P1, success(listed("a.png")))
    bench.passes(4)
    assert bench.says(job) == ("processing", None), "an unmounted directory is an empty one"
    bench.image("a.png")
    bench.passes(3)
    assert bench.says(job) == ("completed", None), "ComfyUI writes there: it is the new one"


def test_storage_that_comes_back_has_the_whole_grace(database: str, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path, policy=replace(QUICK, missing_output_grace_s=30.0))
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(listed("a.png")))
    bench.run_pass()
    away = bench.root.with_name("away")
    bench.root.rename(away)
    bench.run_pass()
    bench.sql("update reconciler.prompts set ending_seen_at = ending_seen_at - interval '1 hour'")
    bench.run_pass()
    away.rename(bench.root)
    bench.passes(2)
    assert bench.says(job) == ("processing", None)
    bench.close()


def test_storage_that_refuses_us_is_away_and_ends_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.server.run(P2)
    bench.passes(3)
    assert bench.says(first) == ("completed", None)
    away = bench.root.with_name("away")
    bench.root.rename(away)
    bench.root.mkdir()

    def refused(path: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", os.fspath(path))

    bench.server.end(P2, success(listed("b.png")))
    monkeypatch.setattr(Path, "stat", refused)
    report = bench.run_pass()
    assert report.decisions[second].rule == "storage"
    assert not report.troubled


def test_storage_that_hangs_is_not_touched(bench: Bench) -> None:
    job, other = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.server.run(P2)
    server = bench.gatherer.servers["gpu"]
    server.storage_answers = lambda: False
    touched: list[Path] = []
    server.book.look_up = touched.append  # type: ignore[assignment, method-assign]
    bench.server.end(P2, error())
    bench.passes(2)
    assert bench.says(other) == ("failed", "execution_error")
    assert bench.says(job)[0] == "queued"
    assert touched == []


def test_what_a_verdict_waits_for_is_inspected_before_what_lies_about(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    done: list[str] = []
    started, go_on, over = Event(), Event(), Event()

    def slowly(path: Path, *_: object) -> Inspection:
        started.set()
        assert go_on.wait(20.0)
        done.append(path.name)
        return inspect(path)

    server = bench.gatherer.servers["gpu"]
    monkeypatch.setattr(server.book, "_inspect", slowly)
    bench.inspectors.submit(over.wait, 60.0)  # of two workers one is left
    for number in range(6):
        bench.image(f"old{number}.png")
        server.book.look_up(bench.root.resolve() / f"old{number}.png", urgent=False)
    started.wait(20.0)
    bench.server.end(P1, success(listed("old5.png"), bench.image("new.png")))
    bench.reconciler.run_pass()
    go_on.set()
    bench.settle()
    over.set()
    assert set(done[:3]) == {"old0.png", "old5.png", "new.png"}
    bench.run_pass()
    assert bench.says(job) == ("completed", None)
