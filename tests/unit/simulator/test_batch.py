"""VHS's batch manager: what is left when a batch is broken off between two of its prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.simulator import Ending, Simulator
from reconciler.simulator.render import H264, Clip, encode, read_clip
from tests.contract.media import decoded_frames
from tests.contract.talk import Server, batch_graph, wait_until

FRAMES = 40


@pytest.fixture
def video(tmp_path: Path) -> str:
    path = tmp_path / "source.mp4"
    encode(path, Clip(FRAMES, 64, 48, fps=8.0), {}, H264, lambda number: None)
    assert read_clip(path) == Clip(FRAMES, 64, 48, fps=8.0)
    return str(path)


def begin(simulator: Simulator, server: Server, video: str) -> None:
    """A batch of many prompts, some of which have ended."""
    simulator.submit(batch_graph("batch", video, 1))
    wait_until(lambda: len(server.saved_under("batch")) >= 2, "two of the prompts")


def test_a_crash_between_two_prompts_leaves_a_part(
    simulator: Simulator, server: Server, video: str
) -> None:
    begin(simulator, server, video)
    simulator.crash(restart_after_s=60)
    endings = [entry.ending for entry in simulator.truth()]
    assert set(endings[:2]) == {Ending.SUCCESS}
    assert endings[-1] is Ending.LOST
    parts = [path.read_bytes() for path in simulator.output_dir.glob("batch_*.mp4")]
    assert not any(b"moov" in part for part in parts)


def test_a_new_batch_gives_up_the_one_before(
    simulator: Simulator, server: Server, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = simulator._life().server.prompt_queue
    put = queue.put
    # What a batch queues goes to the front: lost here, as where somebody deletes it.
    monkeypatch.setattr(queue, "put", lambda item: put(item) if item[0] >= 0 else None)
    first = server.finish(batch_graph("batch", video, FRAMES // 2))
    assert first["outputs"] == {"3": {"unfinished_batch": [True]}}
    begun = simulator.output_dir / "batch_00001.mp4"
    wait_until(begun.exists, "the file that grows from prompt to prompt")
    last = server.finish(batch_graph("again", video, FRAMES))
    [listed] = last["outputs"]["3"]["gifs"]
    assert decoded_frames(Path(listed["fullpath"])) == FRAMES
    assert b"moov" not in begun.read_bytes()
