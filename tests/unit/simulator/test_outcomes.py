"""Each scripted outcome: what the record of the truth says, and what lies on disk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest
from PIL import Image

from reconciler.simulator import Ending, Outcome, Saver, Simulator, TruthEntry, render_graph
from reconciler.simulator.truth import Truth
from tests.contract.talk import Server, images_graph, wait_until

FRAMES = 12


def play(simulator: Simulator, outcome: Outcome, **inputs: object) -> TruthEntry:
    """Submit one prompt, wait for its end, and return the truth about it."""
    inputs = {"frames": FRAMES, "width": 64, "height": 64, **inputs}
    graph = render_graph(outcome, **inputs)  # type: ignore[arg-type]
    return simulator.wait_until_ended(simulator.submit(graph))


def decode(path: str) -> tuple[int, str]:
    """Frames that ffmpeg gets out of a file, and its complaints."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-map", "0:v"]
    done = subprocess.run(
        [*command, "-f", "framemd5", "-"], capture_output=True, check=False, text=True
    )
    frames = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return len(frames), done.stderr


def sound_file(entry: TruthEntry) -> Path:
    assert entry.main_file is not None
    assert decode(entry.main_file) == (entry.frames_written, "")
    return Path(entry.main_file)


def test_success(simulator: Simulator, server: Server) -> None:
    entry = play(simulator, Outcome.SUCCESS, filename_prefix="a/b")
    path = sound_file(entry)
    assert entry.ending is Ending.SUCCESS
    assert entry.outcome is Outcome.SUCCESS
    assert entry.frames_written == FRAMES
    assert path == simulator.output_dir / "a" / "b_00001_.mp4"
    assert entry.files == (str(path),)
    assert entry.started_at is not None
    assert entry.ended_at is not None
    assert entry.started_at <= entry.ended_at
    told = server.wait_for_end(entry.prompt_id)["outputs"]
    file = {"filename": "b_00001_.mp4", "subfolder": "a", "type": "output"}
    assert told == {"1": {"images": [file], "animated": [True]}}


def test_vhs_writes_a_picture_and_with_sound_a_second_video(
    simulator: Simulator, server: Server
) -> None:
    entry = play(simulator, Outcome.SUCCESS, saver=Saver.VHS_VIDEO_COMBINE, audio=True)
    names = [Path(file).name for file in entry.files]
    stem = "simulated_00001"
    assert names == [f"{stem}.png", f"{stem}.mp4", f"{stem}-audio.mp4"]
    assert entry.main_file == entry.files[-1]
    assert [decode(file)[0] for file in entry.files] == [1, FRAMES, FRAMES]
    [listed] = server.wait_for_end(entry.prompt_id)["outputs"]["1"]["gifs"]
    assert listed["filename"] == f"{stem}-audio.mp4"
    assert listed["fullpath"] == entry.main_file
    assert listed["workflow"] == f"{stem}.png"


def test_a_still_for_each_frame(simulator: Simulator) -> None:
    entry = play(simulator, Outcome.SUCCESS, saver=Saver.SAVE_IMAGE, frames=3)
    assert [Path(file).name[-10:] for file in entry.files] == [f"{n:05}_.png" for n in (1, 2, 3)]
    assert entry.main_file == entry.files[0]
    assert entry.frames_written == 3
    for file in entry.files:
        with Image.open(file) as picture:
            picture.load()
            assert picture.size == (64, 64)


@pytest.mark.parametrize("saver", list(Saver))
def test_one_frame_too_few(simulator: Simulator, saver: Saver) -> None:
    entry = play(simulator, Outcome.SHORT, saver=saver)
    assert entry.ending is Ending.SUCCESS
    assert entry.frames_written == FRAMES - 1
    if saver is not Saver.SAVE_IMAGE:
        sound_file(entry)


@pytest.mark.parametrize("saver", list(Saver))
@pytest.mark.parametrize("version", ["0.3.64", "0.33.0"])
def test_a_truncated_file_is_damaged(tmp_path: Path, saver: Saver, version: str) -> None:
    with Simulator(tmp_path, version=version, pack=False) as simulator:
        entry = play(simulator, Outcome.TRUNCATED, saver=saver)
    assert entry.ending is Ending.SUCCESS
    assert entry.main_file is not None
    frames, complaints = decode(entry.main_file)
    assert complaints
    moov_is_last = version == "0.3.64" or saver is Saver.VHS_VIDEO_COMBINE
    if moov_is_last and saver is not Saver.SAVE_IMAGE:
        assert frames == 0
        assert "moov atom not found" in complaints


def test_a_deleted_file_is_listed_and_gone(simulator: Simulator, server: Server) -> None:
    entry = play(simulator, Outcome.DELETED)
    assert entry.ending is Ending.SUCCESS
    assert entry.main_file is not None
    assert not Path(entry.main_file).exists()
    [listed] = server.wait_for_end(entry.prompt_id)["outputs"]["1"]["images"]
    assert listed["filename"] == Path(entry.main_file).name


def test_no_output(simulator: Simulator, server: Server) -> None:
    entry = play(simulator, Outcome.NO_OUTPUT)
    assert (entry.ending, entry.files, entry.main_file) == (Ending.SUCCESS, (), None)
    history = server.wait_for_end(entry.prompt_id)
    assert (history["outputs"], history["status"]["status_str"]) == ({}, "success")


def test_cached_lists_the_files_of_an_earlier_prompt(simulator: Simulator, server: Server) -> None:
    earlier = play(simulator, Outcome.SUCCESS, seed=7)
    play(simulator, Outcome.SUCCESS, seed=8)
    cached = play(simulator, Outcome.CACHED, seed=7)
    assert (cached.ending, cached.files) == (Ending.SUCCESS, ())
    told = server.wait_for_end(cached.prompt_id)
    assert told["outputs"] == server.wait_for_end(earlier.prompt_id)["outputs"]
    assert told["status"]["messages"][1][1]["nodes"] == ["1"]


def test_other_nodes_are_cached_from_one_prompt_to_the_next_only(server: Server) -> None:
    first, second = (images_graph(name, batch=1, color=7) for name in ("a", "b"))
    second["1"]["inputs"]["color"] = 8
    for graph, cached in ((first, []), (first, ["1", "2"]), (second, []), (first, [])):
        messages = server.finish(graph)["status"]["messages"]
        assert messages[1][1]["nodes"] == cached


def test_cached_without_an_earlier_prompt_fails(simulator: Simulator, server: Server) -> None:
    entry = play(simulator, Outcome.CACHED, seed=9)
    assert entry.ending is Ending.ERROR
    error = server.wait_for_end(entry.prompt_id)["status"]["messages"][-1][1]
    assert "no earlier prompt" in error["exception_message"]


@pytest.mark.parametrize(
    ("outcome", "exception_type", "words"),
    [
        (Outcome.ERROR, "RuntimeError", "the script of this prompt says: error\n"),
        (Outcome.OUT_OF_MEMORY, "torch.OutOfMemoryError", "CUDA out of memory. Tried"),
    ],
)
def test_errors(
    simulator: Simulator, server: Server, outcome: Outcome, exception_type: str, words: str
) -> None:
    entry = play(simulator, outcome)
    assert (entry.ending, entry.files) == (Ending.ERROR, ())
    error = server.wait_for_end(entry.prompt_id)["status"]["messages"][-1][1]
    assert error["exception_type"] == exception_type
    assert words in error["exception_message"]


def test_a_frame_that_no_encoder_takes_is_an_error_of_the_node(
    simulator: Simulator, server: Server
) -> None:
    entry = play(simulator, Outcome.SUCCESS, width=63)
    assert entry.ending is Ending.ERROR
    error = server.wait_for_end(entry.prompt_id)["status"]["messages"][-1][1]
    assert "not divisible by 2" in error["exception_message"]


def test_endless_shows_progress_until_it_is_interrupted(
    simulator: Simulator, server: Server
) -> None:
    with server.listen() as client:
        graph = render_graph(Outcome.ENDLESS, frames=FRAMES)
        prompt_id = simulator.submit(graph, client_id=client.client_id)
        client.wait_for("progress", value=FRAMES - 1)
        heard = len(client.events)
        wait_until(lambda: len(client.events) > heard, "a further sign of life")
        server.post("/interrupt", {"prompt_id": prompt_id})
        assert simulator.wait_until_ended(prompt_id).ending is Ending.INTERRUPTED


def test_a_hung_node_hears_no_interrupt(simulator: Simulator, server: Server) -> None:
    prompt_id = simulator.submit(render_graph(Outcome.HANG, frames=2))
    with server.listen() as observer:
        observer.wait_for("status", status={"exec_info": {"queue_remaining": 1}})
        server.wait_until_running(prompt_id)
        server.post("/interrupt")
        waiting = simulator.submit(render_graph(frames=1))
        server.post("/interrupt", {"prompt_id": prompt_id})
        [running], [pending] = server.queue()
        assert (running[1], pending[1]) == (prompt_id, waiting)
    hung, _ = simulator.truth()
    assert (hung.ending, hung.ended_at) == (None, None)


def test_a_dead_worker_leaves_a_zombie(simulator: Simulator, server: Server) -> None:
    entry = play(simulator, Outcome.DEAD_WORKER)
    assert entry.ending is Ending.WORKER_DEAD
    waiting = simulator.submit(render_graph())
    [running], [pending] = server.queue()
    assert (running[1], pending[1]) == (entry.prompt_id, waiting)
    assert server.json("/history") == {}


def test_previews_are_binary_frames_for_the_submitter(server: Server, simulator: Simulator) -> None:
    with server.listen() as client, server.listen() as observer:
        graph = render_graph(Outcome.NO_OUTPUT, frames=2, previews=True)
        client.wait_for_end(simulator.submit(graph, client_id=client.client_id))
        assert [each[:10] for each in client.previews] == [
            b"\0\0\0\x01\0\0\0\x01\xff\xd8" for _ in range(2)
        ]
        assert observer.previews == []


def test_answers_are_slow_while_it_samples(simulator: Simulator, server: Server) -> None:
    """The answer to a question asked during the sampling comes after its end."""
    inputs = {"frames": 1, "seconds": 0.3, "delay_s": 0.6}
    prompt_id = simulator.submit(render_graph(Outcome.SLOW_ANSWERS, **inputs))  # type: ignore[arg-type]
    running = [each for each in simulator.truth() if each.prompt_id == prompt_id]
    wait_until(lambda: simulator.truth()[0].started_at, "its start")
    assert running[0].ending is None
    server.json("/prompt")
    assert simulator.truth()[0].ending is Ending.SUCCESS


def test_frozen_sockets_stay_open_and_silent(simulator: Simulator, server: Server) -> None:
    with server.listen() as frozen:
        play(simulator, Outcome.FROZEN_SOCKETS, frames=1)
        with server.listen() as later:
            heard = len(frozen.events)
            prompt_id = simulator.submit(render_graph(seed=3), client_id=later.client_id)
            later.wait_for_end(prompt_id)
            assert len(frozen.events) == heard
            frozen.send({"type": "still open"})


def test_a_crash_leaves_a_part_of_the_file(simulator: Simulator) -> None:
    entry = play(simulator, Outcome.CRASH, restart_after_s=0)
    assert entry.ending is Ending.LOST
    assert entry.main_file is not None
    content = Path(entry.main_file).read_bytes()
    assert len(content) > 1000
    assert b"moov" not in content
    assert entry.frames_written == FRAMES // 2


def test_the_truth_is_append_only_and_ends_are_waited_for() -> None:
    truth = Truth()
    truth.write(TruthEntry("a"))
    truth.write(TruthEntry("b"))
    truth.write(TruthEntry("a", ending=Ending.ERROR, ended_at=1.0))
    assert [entry.prompt_id for entry in truth.entries()] == ["a", "b", "a"]
    assert list(truth.latest()) == ["a", "b"]
    assert truth.wait_until_ended("a", 0).ending is Ending.ERROR
    with pytest.raises(TimeoutError, match="b"):
        truth.wait_until_ended("b", 0)
    with pytest.raises(TimeoutError):
        truth.wait_until_ended("unknown", 0)
