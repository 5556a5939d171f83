"""Which decoder is asked for: what it costs to know."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.outputs import worker
from reconciler.outputs.codecs import decoders
from reconciler.outputs.decode import ffmpeg

from .conftest import H264, VIDEO, make


def test_no_ffmpeg_is_started_where_its_own_choice_is_right(tmp_path: Path) -> None:
    path = make(tmp_path / "usual.mp4", f"{VIDEO} {H264}")
    file = os.open(path, os.O_RDONLY)
    try:
        assert decoders.stricter("/nowhere/ffmpeg", file, "mov") is None
    finally:
        os.close(file)


def test_forks_of_a_worker_know_the_decoders_already() -> None:
    decoders.built_in.cache_clear()
    assert worker._ffmpeg() == Path(ffmpeg())
    assert decoders.built_in.cache_info().currsize == 1
    assert set(decoders.STRICTER.values()) <= decoders.built_in(ffmpeg())


def test_without_ffmpeg_a_worker_starts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ffmpeg", lambda: "/nowhere/ffmpeg")
    assert worker._ffmpeg() is None
