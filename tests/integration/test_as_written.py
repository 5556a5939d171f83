"""Is the file what ComfyUI wrote? Sizes, digests and promised frames, by the pack's manifest."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from structlog.testing import capture_logs

from comfy_node.contract import DIGESTS, EXPECT_NODE
from reconciler.comfyui.history import ended_prompt
from reconciler.core.evidence import FileState, ListedFile, OutputFile
from reconciler.outputs import digest as digests
from reconciler.outputs.digest import Hash
from reconciler.reconcile.digests import Match
from tests.integration.manifests import digest_of, manifest, output, write
from tests.integration.reconciling import Bench, listed, success

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    bench.gatherer.files.arrival_grace_s = 0.0
    yield bench
    bench.close()


def ends(bench: Bench, prompt_id: str, *outputs: dict[str, object], **more: object) -> None:
    """The prompt ends and only its manifest tells."""
    write(bench.root, manifest(prompt_id, at=bench.clock.now(), outputs=list(outputs), **more))


def animation(bench: Bench, name: str, frames: int) -> ListedFile:
    """A gif of so many different frames."""
    pictures = [Image.new("RGB", (16, 16), (n * 9 % 256, 20, 90)) for n in range(frames)]
    pictures[0].save(bench.root / name, save_all=True, append_images=pictures[1:], duration=50)
    return listed(name, kind="gifs")


def shown(bench: Bench) -> OutputFile:
    """The only listed file of the only job, as it would be judged now."""
    bench.settle()
    (record,) = bench.store.jobs.open_jobs(late_s=3600.0)
    (file,) = bench.gatherer.files.listed(record, record.prompts[0])
    return file


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_the_same_bytes(bench: Bench, algorithm: str) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, output(bench.root, bench.image("a.png"), digest=algorithm))
    bench.passes(4)
    assert bench.says(job) == ("completed", None)


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_damage_that_no_decoder_sees(bench: Bench, algorithm: str) -> None:
    job = bench.insert(comfyui_job_id=P1)
    path = bench.root / "a.bmp"
    Image.new("RGB", (32, 32), "red").save(path)
    told = output(bench.root, listed("a.bmp"), digest=algorithm)
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[-9] ^= 1  # one bit of one pixel
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    ends(bench, P1, told)
    bench.passes(5)
    assert bench.says(job) == ("failed", "invalid_output")
    assert f"differs from what ComfyUI wrote: its {algorithm} is " in bench.row(job)["error"]


def test_a_digest_that_comes_later_is_not_waited_for(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, output(bench.root, bench.image("a.png")))
    bench.passes(2)
    assert bench.says(job) == ("completed", None)


def test_a_digest_that_comes_in_time_counts(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    told = output(bench.root, bench.image("a.png"))
    ends(bench, P1, told)
    bench.run_pass()
    assert bench.says(job)[0] == "processing"
    ends(bench, P1, told | {"digest": "sha256:" + "0" * 64})
    bench.passes(4)
    assert bench.says(job) == ("failed", "invalid_output")


def test_a_manifest_is_asked_for_digests_until_it_has_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.gatherer.files.unsound_confirm_s = 60.0
    job = bench.insert(comfyui_job_id=P1)
    told = output(bench.root, bench.image("a.png")) | {"size_bytes": 1}
    ends(bench, P1, told)
    bench.passes(2)
    manifests = bench.gatherer.servers["gpu"].manifests
    asked: list[str] = []
    of = manifests.of
    monkeypatch.setattr(
        manifests, "of", lambda prompt_id: (asked.append(prompt_id), of(prompt_id))[1]
    )
    bench.run_pass()
    assert asked == [P1]
    ends(bench, P1, told | {"digest": "sha256:00"})
    bench.passes(3)
    assert asked == [P1, P1]
    assert bench.says(job) == ("processing", None)


def test_a_file_is_read_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.insert(comfyui_job_id=P1)
    told = output(bench.root, bench.image("a.png"), digest="xxh3_128")
    ends(bench, P1, told)
    bench.run_pass()
    bench.settle()
    reads: list[int] = []
    real = os.read

    def reading(descriptor: int, size: int) -> bytes:
        reads.append(size)
        return real(descriptor, size)

    monkeypatch.setattr(digests.os, "read", reading)
    for _ in range(4):
        assert shown(bench).state in (FileState.UNCHECKED, FileState.SOUND)
    assert shown(bench).state is FileState.SOUND
    assert reads == [digests.CHUNK_BYTES] * 2, "the file, and its end"


@pytest.mark.parametrize("told", ["md5:00", "xxh3_128", "", "../x:ff"])
def test_an_algorithm_that_is_not_known_is_not_checked_and_said_once(
    bench: Bench, told: str
) -> None:
    jobs = [bench.insert(comfyui_job_id=prompt_id) for prompt_id in (P1, P2)]
    for name, prompt_id in (("a.png", P1), ("b.png", P2)):
        ends(bench, prompt_id, output(bench.root, bench.image(name)) | {"digest": told})
    with capture_logs() as logs:
        bench.passes(3)
    assert [bench.says(job) for job in jobs] == [("completed", None)] * 2
    assert sum("cannot be checked" in line["event"] for line in logs) == 1


def test_a_missing_package_is_an_algorithm_that_is_not_known(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Hash:
        raise ImportError("no module named blake3")

    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, output(bench.root, bench.image("a.png"), digest="blake3"))
    monkeypatch.setitem(digests._MAKERS, "blake3", missing)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_a_file_on_its_way_is_waited_for(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.gatherer.files.arrival_grace_s = 60.0
    path = bench.root / "a.png"
    told = output(bench.root, bench.image("a.png"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    ends(bench, P1, told)
    bench.passes(4)
    assert bench.says(job) == ("processing", None)
    assert shown(bench).defects == (f"{len(whole) - 20} of {len(whole)} bytes so far",)
    path.write_bytes(whole)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_one_that_never_arrives_whole_is_damaged(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    path = bench.root / "a.png"
    told = output(bench.root, bench.image("a.png"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    ends(bench, P1, told)
    bench.passes(5)
    assert bench.says(job) == ("failed", "invalid_output")
    size = len(whole)
    assert f"a.png: {size - 20} of the {size} bytes that ComfyUI wrote" in bench.row(job)["error"]


def test_one_that_still_grows_is_not_damaged(bench: Bench) -> None:
    bench.gatherer.files.unsound_confirm_s = 60.0
    job = bench.insert(comfyui_job_id=P1)
    path = bench.root / "a.png"
    told = output(bench.root, bench.image("a.png"))
    path.write_bytes(path.read_bytes()[:-20])
    for server in bench.gatherer.servers.values():
        server.book._unsound_confirm_s = 60.0
    ends(bench, P1, told)
    bench.passes(4)
    assert bench.says(job) == ("processing", None)


def test_a_copy_with_a_new_time_is_the_same_file(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    told = output(bench.root, bench.image("a.png"), digest="sha256")
    os.utime(bench.root / "a.png", (1e9, 1e9))
    ends(bench, P1, told)
    bench.passes(4)
    assert bench.says(job) == ("completed", None)


def test_two_servers_with_one_directory_and_one_counter(bench: Bench) -> None:
    """The second has written over the file of the first: what the first's row says is true."""
    path = bench.root / "a_00001_.png"
    loser, winner = (bench.insert(comfyui_job_id=prompt_id) for prompt_id in (P1, P2))
    save_tagged(path, P1, size=16)
    ends(bench, P1, output(bench.root, listed("a_00001_.png"), digest="xxh3_128"))
    save_tagged(path, P2, size=24)
    ends(bench, P2, output(bench.root, listed("a_00001_.png"), digest="xxh3_128"))
    bench.passes(6)
    assert bench.says(winner) == ("completed", None)
    assert bench.says(loser) == ("failed", "invalid_output")
    error = bench.row(loser)["error"]
    assert f"overwritten by prompt {P2} since ComfyUI wrote it" in error
    assert f"{path.stat().st_size} bytes, not " in error
    assert [o.prompt_id for o in bench.store.outputs.of_job(winner)] == [P2]
    assert bench.store.outputs.of_job(loser) == []


def save_tagged(path: Path, prompt_id: str, *, size: int) -> None:
    info = PngInfo()
    info.add_text("prompt_id", f'"{prompt_id}"')
    Image.effect_noise((size, size), 50).save(path, pnginfo=info)


def test_a_file_of_equal_size_by_another_prompt(bench: Bench) -> None:
    path = bench.root / "a.bmp"
    Image.new("RGB", (32, 32), "red").save(path)
    job = bench.insert(comfyui_job_id=P1)
    told = output(bench.root, listed("a.bmp"), digest="sha256")
    Image.new("RGB", (32, 32), "blue").save(path)
    os.utime(path, (2e9, 2e9))
    ends(bench, P1, told)
    bench.passes(5)
    assert bench.says(job) == ("failed", "invalid_output")
    assert "overwritten since ComfyUI wrote it: its sha256 is" in bench.row(job)["error"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [("reworked", "completed"), ("rotten", "failed"), ("another's", "failed")],
)
def test_files_that_are_reworked_in_place_may_be_accepted(
    bench: Bench, changed: str, says: str
) -> None:
    bench.gatherer.files.accept_rewritten = True
    path = bench.root / "a.png"
    job = bench.insert(comfyui_job_id=P1)
    save_tagged(path, P1, size=16)
    told = output(bench.root, listed("a.png"), digest="sha256")
    save_tagged(path, P2 if changed == "another's" else P1, size=24)
    if changed == "rotten":
        os.utime(path, ns=(told["mtime_ns"], told["mtime_ns"]))  # type: ignore[arg-type]
    ends(bench, P1, told)
    bench.passes(5)
    assert bench.row(job)["status"] == says


def test_sizes_count_where_history_tells_the_end(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    file = bench.image("a.png")
    ends(bench, P1, output(bench.root, file) | {"size_bytes": 5})
    now = bench.clock.now()
    bench.server.end(P1, success(file, started_at=now, ended_at=now))
    bench.passes(4)
    assert bench.says(job) == ("failed", "invalid_output")
    assert "bytes, not 5" in bench.row(job)["error"]


def test_temp_files_are_no_results(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    preview = output(bench.root, bench.image("p.png")) | {"type": "temp", "size_bytes": 1}
    ends(bench, P1, output(bench.root, bench.image("a.png")), preview)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


# Frames that the graph promises.


def test_frames_that_the_manifest_promises(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    told = output(bench.root, animation(bench, "a.gif", 5))
    ends(bench, P1, told, expected_frames=6)
    bench.passes(4)
    assert bench.says(job) == ("failed", "invalid_output")
    assert "a.gif: 5 of 6 frames" in bench.row(job)["error"]


def test_what_the_row_expects_goes_first(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1, frames=5)
    told = output(bench.root, animation(bench, "a.gif", 5))
    ends(bench, P1, told, expected_frames=6)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_frames_that_the_graph_in_history_promises(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    animation(bench, "a.gif", 5)
    graph = {"7": {"class_type": EXPECT_NODE, "inputs": {"frames": 6}}}
    files = {"9": {"gifs": [{"filename": "a.gif", "subfolder": "", "type": "output"}]}}
    status = {"status_str": "success", "completed": True, "messages": []}
    entry = {"prompt": [1, P1, graph, {}, ["9"]], "outputs": files, "status": status}
    bench.server.history[P1] = ended_prompt(P1, entry)
    bench.passes(4)
    assert bench.says(job) == ("failed", "invalid_output")
    assert "5 of 6 frames" in bench.row(job)["error"]


def test_stills_beside_the_video_have_no_frames_to_expect(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    still = output(bench.root, bench.image("a.png"))
    video = output(bench.root, animation(bench, "a.gif", 6))
    ends(bench, P1, still, video, expected_frames=6)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


# The reading itself.


def test_reading_stops_when_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.insert(comfyui_job_id=P1)
    told = output(bench.root, bench.image("a.png"), digest="sha256")
    ends(bench, P1, told)
    bench.run_pass()
    bench.settle()
    began, go_on = threading.Event(), threading.Event()
    reads: list[int] = []

    def endless(descriptor: int, size: int) -> bytes:
        reads.append(size)
        began.set()
        assert go_on.wait(20.0)
        return b"x"

    monkeypatch.setattr(digests.os, "read", endless)
    book = bench.gatherer.servers["gpu"].book
    (record,) = bench.store.outputs.known([bench.root.resolve() / "a.png"]).values()
    book.digests.compare(record, str(told["digest"]))
    assert began.wait(20.0)
    book.digests.stop()
    go_on.set()
    bench.settle()
    assert len(reads) == 1


def test_a_file_that_changes_meanwhile_is_not_judged_by_its_old_digest(bench: Bench) -> None:
    bench.insert(comfyui_job_id=P1)
    told = output(bench.root, bench.image("a.png"), digest="sha256")
    ends(bench, P1, told)
    bench.passes(2)
    book = bench.gatherer.servers["gpu"].book
    (record,) = bench.store.outputs.known([bench.root.resolve() / "a.png"]).values()
    bench.image("a.png", color="green")
    stale = replace(record, mtime_ns=record.mtime_ns - 1)
    for _ in range(2):
        assert book.digests.compare(stale, str(told["digest"])) == (Match.OPEN, "")
        bench.settle()


def test_a_file_that_cannot_be_read_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, output(bench.root, bench.image("a.png"), digest="sha256"))
    bench.run_pass()
    bench.settle()
    book = bench.gatherer.servers["gpu"].book
    now_s = [100.0]
    book.digests._monotonic = lambda: now_s[0]

    def broken(descriptor: int, size: int) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(digests.os, "read", broken)
        bench.passes(3)
    assert bench.says(job) == ("processing", None)
    now_s[0] += 11.0
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_digest_words_are_those_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert [digest_of(path, name) for name in DIGESTS] == [
        "xxh3_128:06b05ab6733a618578af5f94892f3950",
        "blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ]
